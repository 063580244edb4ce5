// The attention ops' signatures and shapes.
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/context.h"
#include "tf/options.h"

namespace knl {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status CheckShapes(InferenceContext* c, Options* options) {
  TF_RETURN_IF_ERROR(ReadOptions(c, options));
  Attention attention;
  return AsStatus(ReadArguments(*options, ArraysOf(c), &attention));
}

absl::Status ForwardShapes(InferenceContext* c) {
  Options options;
  TF_RETURN_IF_ERROR(CheckShapes(c, &options));
  ShapeHandle q, lse;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), options.n_splits > 0 ? 3 : 4, &q));
  TF_RETURN_IF_ERROR(c->Subshape(q, 0, -1, &lse));
  c->set_output(0, q);
  c->set_output(1, lse);
  return absl::OkStatus();
}

absl::Status GradientShapes(InferenceContext* c) {
  Options options;
  TF_RETURN_IF_ERROR(CheckShapes(c, &options));
  for (int i = 0; i < 3; ++i) c->set_output(i, c->input(i));
  if (options.n_bias > 0) c->set_output(3, c->input(Places(options).bias));
  return absl::OkStatus();
}

// What both ops take; kernels/attention.h tells what it means. Lists stand for inputs that
// may be missing.
#define KNL_INPUTS               \
  Input("q: T")                  \
      .Input("k: T")             \
      .Input("v: T")             \
      .Input("splits: n_splits * int64")       \
      .Input("keep: n_keep * bool")            \
      .Input("segments: n_segments * int32")   \
      .Input("bias: n_bias * float")           \
      .Input("slopes: n_slopes * float")       \
      .Input("seed: n_seed * uint32")

#define KNL_ATTRIBUTES                      \
  Attr("T: {float, bfloat16, half}")        \
      .Attr("scale: float")                 \
      .Attr("soft_cap: float = 0")          \
      .Attr("window_left: int = -1")        \
      .Attr("window_right: int = -1")       \
      .Attr("dropout: float = 0")           \
      .Attr("n_splits: int >= 0")           \
      .Attr("n_keep: int >= 0")             \
      .Attr("n_segments: int >= 0")         \
      .Attr("n_bias: int >= 0")             \
      .Attr("n_slopes: int >= 0")           \
      .Attr("n_seed: int >= 0")

REGISTER_OP("KnlAttention")
    .KNL_INPUTS
    .Output("out: T")
    .Output("lse: float")
    .KNL_ATTRIBUTES
    .SetShapeFn(ForwardShapes);

REGISTER_OP("KnlAttentionGrad")
    .KNL_INPUTS
    .Input("out: T")
    .Input("lse: float")
    .Input("dout: T")
    .Input("dlse: float")
    .Output("dq: T")
    .Output("dk: T")
    .Output("dv: T")
    .Output("dbias: n_bias * float")
    .KNL_ATTRIBUTES
    .SetShapeFn(GradientShapes);

}  // namespace
}  // namespace knl
