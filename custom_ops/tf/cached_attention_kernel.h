// Attention to a cache as TensorFlow's kernel, whatever the device.
//
// A Device is made of an OpKernelContext for each call, and has
//
//   absl::Status Copy(to, from, bytes)    of its own memory
//   Problem Forward(attention, q, k, v, cache, out)
#pragma once

#include "tf/cached_attention_arguments.h"
#include "tf/context.h"
#include "tf/status.h"

namespace knl {

template <typename Device>
class CachedAttentionKernel : public tensorflow::OpKernel {
  using At = CachedAttentionPlaces;

 public:
  explicit CachedAttentionKernel(tensorflow::OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, options_.Read(ctx));
  }

  void Compute(tensorflow::OpKernelContext* ctx) override {
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
    Device device(ctx);
    if (cache != before) OP_REQUIRES_OK(ctx, device.Copy(cache, before, bytes));
    OP_REQUIRES_OK(ctx, AsStatus(device.Forward(attention, In(ctx, At::q), In(ctx, At::k),
                                                In(ctx, At::v), cache, out)));
  }

 private:
  CachedAttentionOptions options_;
};

}  // namespace knl
