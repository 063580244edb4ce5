// The signature and shapes of products of few rows; kernels/few_rows.h tells what they mean.
#include "tensorflow/core/framework/op.h"
#include "tf/context.h"
#include "tf/few_rows_arguments.h"
#include "tf/status.h"

namespace knl {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status Shapes(InferenceContext* c) {
  FewRowsOptions options;
  FewRows f;
  TF_RETURN_IF_ERROR(options.Read(c));
  TF_RETURN_IF_ERROR(AsStatus(ReadFewRows(options, ArraysOf(c), &f)));
  const ShapeHandle x = c->input(0), weights = c->input(1);
  if (!c->RankKnown(x)) {
    c->set_output(0, c->UnknownShape());
    return absl::OkStatus();
  }
  const auto outputs = c->RankKnown(weights) ? c->Dim(weights, options.transposed ? 0 : 1)
                                             : c->UnknownDim();
  ShapeHandle y;
  TF_RETURN_IF_ERROR(c->ReplaceDim(x, -1, outputs, &y));
  c->set_output(0, y);
  return absl::OkStatus();
}

// Lists stand for inputs that may be missing.
REGISTER_OP("KnlFewRows")
    .Input("x: T")
    .Input("weights: W")
    .Input("scale: n_scale * float")
    .Input("bias: n_bias * float")
    .Output("y: T")
    .Attr("T: {float, bfloat16, half}")
    .Attr("W: {float, bfloat16, half, int8}")
    .Attr("n_scale: int >= 0")
    .Attr("n_bias: int >= 0")
    .Attr("transposed: bool")
    .SetShapeFn(Shapes);

}  // namespace
}  // namespace knl
