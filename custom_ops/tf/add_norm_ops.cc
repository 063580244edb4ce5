// The signatures and shapes of the residual sum with its norm; kernels/add_norm.h tells what
// they mean.
#include "tensorflow/core/framework/op.h"
#include "tf/add_norm_arguments.h"
#include "tf/context.h"
#include "tf/status.h"

namespace knl {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status CheckShapes(InferenceContext* c, bool gradient, AddNormOptions* options) {
  AddNorm norm;
  TF_RETURN_IF_ERROR(options->Read(c, gradient));
  return AsStatus(ReadAddNorm(*options, ArraysOf(c), gradient, &norm));
}

absl::Status ForwardShapes(InferenceContext* c) {
  AddNormOptions options;
  TF_RETURN_IF_ERROR(CheckShapes(c, /*gradient=*/false, &options));
  const ShapeHandle x = c->input(0);
  ShapeHandle rows = c->UnknownShape();
  if (c->RankKnown(x)) TF_RETURN_IF_ERROR(c->Subshape(x, 0, -1, &rows));
  c->set_output(0, x);
  c->set_output(1, x);
  c->set_output(2, rows);
  c->set_output(3, rows);
  return absl::OkStatus();
}

absl::Status GradientShapes(InferenceContext* c) {
  AddNormOptions options;
  TF_RETURN_IF_ERROR(CheckShapes(c, /*gradient=*/true, &options));
  const ShapeHandle gamma = c->input(AddNormGradientPlaces(options).gamma);
  int i = 0;
  for (; i < 1 + options.n_residual; ++i) c->set_output(i, c->input(0));
  for (; i < c->num_outputs(); ++i) c->set_output(i, gamma);
  return absl::OkStatus();
}

// Lists stand for inputs that may be missing.
#define KNL_ATTRIBUTES                 \
  Attr("T: {float, bfloat16, half}")   \
      .Attr("epsilon: float")          \
      .Attr("dropout: float = 0")      \
      .Attr("n_residual: int >= 0")    \
      .Attr("n_bias: int >= 0")        \
      .Attr("n_beta: int >= 0")        \
      .Attr("n_seed: int >= 0")

// return_sum: whether anything reads `sum` but the gradient; if not, it expects no gradient
// from there.
REGISTER_OP("KnlAddNorm")
    .Input("x: T")
    .Input("residual: n_residual * T")
    .Input("bias: n_bias * float")
    .Input("gamma: float")
    .Input("beta: n_beta * float")
    .Input("seed: n_seed * uint32")
    .Output("y: T")
    .Output("sum: T")
    .Output("mean: float")
    .Output("rstd: float")
    .KNL_ATTRIBUTES
    .Attr("return_sum: bool")
    .SetShapeFn(ForwardShapes);

// dresidual: asked for where dropout makes it another than dx.
REGISTER_OP("KnlAddNormGrad")
    .Input("dy: T")
    .Input("dsum: n_dsum * T")
    .Input("sum: T")
    .Input("mean: float")
    .Input("rstd: float")
    .Input("gamma: float")
    .Input("seed: n_seed * uint32")
    .Output("dx: T")
    .Output("dresidual: n_residual * T")
    .Output("dbias: n_bias * float")
    .Output("dgamma: float")
    .Output("dbeta: n_beta * float")
    .KNL_ATTRIBUTES
    .Attr("n_dsum: int >= 0")
    .SetShapeFn(GradientShapes);

}  // namespace
}  // namespace knl
