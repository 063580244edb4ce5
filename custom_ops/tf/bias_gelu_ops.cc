// The signatures and shapes of GELU with a bias; kernels/bias_gelu.h tells what they mean.
#include "tensorflow/core/framework/op.h"
#include "tf/bias_gelu_arguments.h"
#include "tf/context.h"
#include "tf/status.h"

namespace knl {
namespace {

using tensorflow::shape_inference::InferenceContext;

template <bool kGradient>
absl::Status Shapes(InferenceContext* c) {
  BiasGeluOptions options;
  BiasGelu gelu;
  TF_RETURN_IF_ERROR(options.Read(c));
  TF_RETURN_IF_ERROR(AsStatus(ReadBiasGelu(options, ArraysOf(c), kGradient, &gelu)));
  c->set_output(0, c->input(0));
  if (kGradient && options.n_bias > 0) c->set_output(1, c->input(2));
  return absl::OkStatus();
}

#define KNL_ATTRIBUTES                 \
  Attr("T: {float, bfloat16, half}")   \
      .Attr("n_bias: int >= 0")        \
      .Attr("approximate: bool")

REGISTER_OP("KnlBiasGelu")
    .Input("x: T")
    .Input("bias: n_bias * float")
    .Output("y: T")
    .KNL_ATTRIBUTES
    .SetShapeFn(Shapes<false>);

REGISTER_OP("KnlBiasGeluGrad")
    .Input("dy: T")
    .Input("x: T")
    .Input("bias: n_bias * float")
    .Output("dx: T")
    .Output("dbias: n_bias * float")
    .KNL_ATTRIBUTES
    .SetShapeFn(Shapes<true>);

}  // namespace
}  // namespace knl
