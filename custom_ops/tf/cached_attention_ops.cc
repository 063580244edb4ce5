// The signature and shapes of attention to a cache; kernels/cached_attention.h tells what they
// mean.
#include "tensorflow/core/framework/op.h"
#include "tf/cached_attention_arguments.h"
#include "tf/context.h"
#include "tf/status.h"

namespace knl {
namespace {

using tensorflow::shape_inference::InferenceContext;

absl::Status Shapes(InferenceContext* c) {
  CachedAttentionOptions options;
  CachedAttention attention;
  TF_RETURN_IF_ERROR(options.Read(c));
  TF_RETURN_IF_ERROR(AsStatus(ReadCachedAttention(options, ArraysOf(c), &attention)));
  c->set_output(0, c->input(CachedAttentionPlaces::q));
  c->set_output(1, c->input(CachedAttentionPlaces::cache));
  return absl::OkStatus();
}

// Lists stand for inputs that may be missing. The cache that comes out is the one that came
// in, changed in place, where nobody else holds it, and a changed copy elsewhere.
REGISTER_OP("KnlCachedAttention")
    .Input("q: T")
    .Input("k: T")
    .Input("v: T")
    .Input("cache: C")
    .Input("index: int32")
    .Input("starts: n_starts * int32")
    .Input("ancestors: n_ancestors * int32")
    .Input("slopes: n_slopes * float")
    .Output("out: T")
    .Output("new_cache: C")
    .Attr("T: {float, bfloat16, half}")
    .Attr("C: {float, bfloat16, half}")
    .Attr("n_starts: int >= 0")
    .Attr("n_ancestors: int >= 0")
    .Attr("n_slopes: int >= 0")
    .Attr("scale: float")
    .Attr("soft_cap: float = 0")
    .Attr("window: int = -1")
    .Attr("beams: int = 1")
    .SetShapeFn(Shapes);

}  // namespace
}  // namespace knl
