// The attention ops on TensorFlow's CPU device.
#include "tf/context.h"
#include "tf/options.h"

namespace knl {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::TensorShape;

class AttentionKernel : public OpKernel {
 public:
  explicit AttentionKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, ReadOptions(ctx, &options_));
  }

 protected:
  absl::Status Unpack(OpKernelContext* ctx, Attention* attention) const {
    attention->element = ElementOf(ctx->input_dtype(0));
    return AsStatus(ReadArguments(options_, ArraysOf(ctx), attention));
  }

  Options options_;
};

class ForwardKernel : public AttentionKernel {
 public:
  using AttentionKernel::AttentionKernel;

  void Compute(OpKernelContext* ctx) override {
    Attention attention;
    OP_REQUIRES_OK(ctx, Unpack(ctx, &attention));
    TensorShape shape = ctx->input(0).shape();
    void *out, *lse;
    OP_REQUIRES_OK(ctx, Allocate(ctx, 0, shape, &out));
    shape.RemoveLastDims(1);
    OP_REQUIRES_OK(ctx, Allocate(ctx, 1, shape, &lse));
    DeviceWorkers workers(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(AttentionForward(attention, In(ctx, 0), In(ctx, 1), In(ctx, 2),
                                                  out, static_cast<float*>(lse), workers)));
  }
};

class BackwardKernel : public AttentionKernel {
 public:
  using AttentionKernel::AttentionKernel;

  void Compute(OpKernelContext* ctx) override {
    Attention attention;
    OP_REQUIRES_OK(ctx, Unpack(ctx, &attention));
    void *dq, *dk, *dv, *dbias = nullptr;
    OP_REQUIRES_OK(ctx, Allocate(ctx, 0, ctx->input(0).shape(), &dq));
    OP_REQUIRES_OK(ctx, Allocate(ctx, 1, ctx->input(1).shape(), &dk));
    OP_REQUIRES_OK(ctx, Allocate(ctx, 2, ctx->input(2).shape(), &dv));
    const Places at(options_);
    if (options_.n_bias > 0) {
      OP_REQUIRES_OK(ctx, Allocate(ctx, 3, ctx->input(at.bias).shape(), &dbias));
    }
    DeviceWorkers workers(ctx);
    const auto floats = [&](int i) { return static_cast<const float*>(In(ctx, i)); };
    OP_REQUIRES_OK(
        ctx, AsStatus(AttentionBackward(
                 attention, In(ctx, 0), In(ctx, 1), In(ctx, 2), In(ctx, at.gradient),
                 floats(at.gradient + 1), In(ctx, at.gradient + 2), floats(at.gradient + 3), dq,
                 dk, dv, static_cast<float*>(dbias), workers)));
  }
};

REGISTER_KERNEL_BUILDER(Name("KnlAttention").Device(tensorflow::DEVICE_CPU), ForwardKernel);
REGISTER_KERNEL_BUILDER(Name("KnlAttentionGrad").Device(tensorflow::DEVICE_CPU),
                        BackwardKernel);

}  // namespace
}  // namespace knl
