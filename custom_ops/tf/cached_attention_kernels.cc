// Attention to a cache on TensorFlow's CPU device.
#include <cstring>

#include "tf/cached_attention_arguments.h"
#include "tf/context.h"
#include "tf/status.h"

namespace knl {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using At = CachedAttentionPlaces;

class CachedAttentionKernel : public OpKernel {
 public:
  explicit CachedAttentionKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, options_.Read(ctx));
  }

  void Compute(OpKernelContext* ctx) override {
    CachedAttention attention;
    attention.element = ElementOf(ctx->input_dtype(At::q));
    attention.cache_element = ElementOf(ctx->input_dtype(At::cache));
    OP_REQUIRES_OK(ctx, AsStatus(ReadCachedAttention(options_, ArraysOf(ctx), &attention)));
    void *out, *cache;
    OP_REQUIRES_OK(ctx, Allocate(ctx, 0, ctx->input(At::q).shape(), &out));
    // Where the input's buffer is handed on, the input holds it no longer.
    const void* const before = In(ctx, At::cache);
    const size_t bytes = ctx->input(At::cache).TotalBytes();
    OP_REQUIRES_OK(ctx, Allocate(ctx, 1, ctx->input(At::cache).shape(), &cache, {At::cache}));
    if (cache != before) std::memcpy(cache, before, bytes);
    DeviceWorkers workers(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(CachedAttentionForward(attention, In(ctx, At::q),
                                                        In(ctx, At::k), In(ctx, At::v), cache,
                                                        out, workers)));
  }

 private:
  CachedAttentionOptions options_;
};

REGISTER_KERNEL_BUILDER(Name("KnlCachedAttention").Device(tensorflow::DEVICE_CPU),
                        CachedAttentionKernel);

}  // namespace
}  // namespace knl
