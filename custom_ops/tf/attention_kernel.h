// The attention ops as TensorFlow's kernels, whatever the device.
//
// A Device is attention_on_cpu.h's or attention_on_gpu.h's, made of an OpKernelContext*.
#pragma once

#include "tf/context.h"
#include "tf/options.h"

namespace knl {

template <typename Device>
class AttentionKernel : public tensorflow::OpKernel {
 public:
  explicit AttentionKernel(tensorflow::OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, ReadOptions(ctx, &options_));
  }

 protected:
  absl::Status Unpack(tensorflow::OpKernelContext* ctx, Attention* attention,
                      const uint32_t** seed) const {
    attention->element = ElementOf(ctx->input_dtype(0));
    return AsStatus(Device::Read(options_, ArraysOf(ctx), attention, seed));
  }

  Options options_;
};

template <typename Device>
class ForwardKernel : public AttentionKernel<Device> {
 public:
  using AttentionKernel<Device>::AttentionKernel;

  void Compute(tensorflow::OpKernelContext* ctx) override {
    Attention attention;
    const uint32_t* seed = nullptr;
    OP_REQUIRES_OK(ctx, this->Unpack(ctx, &attention, &seed));
    tensorflow::TensorShape shape = ctx->input(0).shape();
    void *out, *lse;
    OP_REQUIRES_OK(ctx, Allocate(ctx, 0, shape, &out));
    shape.RemoveLastDims(1);
    OP_REQUIRES_OK(ctx, Allocate(ctx, 1, shape, &lse));
    Device device(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(device.Forward(attention, seed, In(ctx, 0), In(ctx, 1),
                                                In(ctx, 2), out, static_cast<float*>(lse))));
  }
};

template <typename Device>
class BackwardKernel : public AttentionKernel<Device> {
 public:
  using AttentionKernel<Device>::AttentionKernel;

  void Compute(tensorflow::OpKernelContext* ctx) override {
    const Options& options = this->options_;
    Attention attention;
    const uint32_t* seed = nullptr;
    OP_REQUIRES_OK(ctx, this->Unpack(ctx, &attention, &seed));
    void *dq, *dk, *dv, *dbias = nullptr;
    OP_REQUIRES_OK(ctx, Allocate(ctx, 0, ctx->input(0).shape(), &dq));
    OP_REQUIRES_OK(ctx, Allocate(ctx, 1, ctx->input(1).shape(), &dk));
    OP_REQUIRES_OK(ctx, Allocate(ctx, 2, ctx->input(2).shape(), &dv));
    const Places at(options);
    if (options.n_bias > 0) {
      OP_REQUIRES_OK(ctx, Allocate(ctx, 3, ctx->input(at.bias).shape(), &dbias));
    }
    Device device(ctx);
    const auto floats = [&](int i) { return static_cast<const float*>(In(ctx, i)); };
    OP_REQUIRES_OK(
        ctx, AsStatus(device.Backward(
                 attention, seed, In(ctx, 0), In(ctx, 1), In(ctx, 2), In(ctx, at.gradient),
                 floats(at.gradient + 1), In(ctx, at.gradient + 2), floats(at.gradient + 3), dq,
                 dk, dv, static_cast<float*>(dbias))));
  }
};

}  // namespace knl
