// GELU with a bias on TensorFlow's CPU device.
#include "tf/bias_gelu_arguments.h"
#include "tf/context.h"
#include "tf/status.h"

namespace knl {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;

class BiasGeluKernel : public OpKernel {
 public:
  explicit BiasGeluKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, options_.Read(ctx));
  }

 protected:
  absl::Status Unpack(OpKernelContext* ctx, bool gradient, BiasGelu* gelu) const {
    gelu->element = ElementOf(ctx->input_dtype(0));
    return AsStatus(ReadBiasGelu(options_, ArraysOf(ctx), gradient, gelu));
  }
  const float* Bias(OpKernelContext* ctx, int i) const {
    return options_.n_bias > 0 ? static_cast<const float*>(In(ctx, i)) : nullptr;
  }

  BiasGeluOptions options_;
};

class ForwardKernel : public BiasGeluKernel {
 public:
  using BiasGeluKernel::BiasGeluKernel;

  void Compute(OpKernelContext* ctx) override {
    BiasGelu gelu;
    OP_REQUIRES_OK(ctx, Unpack(ctx, /*gradient=*/false, &gelu));
    BiasGeluArrays arrays = {In(ctx, 0), Bias(ctx, 1), nullptr};
    OP_REQUIRES_OK(ctx, Allocate(ctx, 0, ctx->input(0).shape(), &arrays.y, {0}));
    DeviceWorkers workers(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(BiasGeluForward(gelu, arrays, workers)));
  }
};

class BackwardKernel : public BiasGeluKernel {
 public:
  using BiasGeluKernel::BiasGeluKernel;

  void Compute(OpKernelContext* ctx) override {
    BiasGelu gelu;
    OP_REQUIRES_OK(ctx, Unpack(ctx, /*gradient=*/true, &gelu));
    BiasGeluGradient arrays = {In(ctx, 0), In(ctx, 1), Bias(ctx, 2), nullptr, nullptr};
    OP_REQUIRES_OK(ctx, Allocate(ctx, 0, ctx->input(0).shape(), &arrays.dx, {0, 1}));
    if (options_.n_bias > 0) {
      void* dbias;
      OP_REQUIRES_OK(ctx, Allocate(ctx, 1, ctx->input(2).shape(), &dbias));
      arrays.dbias = static_cast<float*>(dbias);
    }
    DeviceWorkers workers(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(BiasGeluBackward(gelu, arrays, workers)));
  }
};

REGISTER_KERNEL_BUILDER(Name("KnlBiasGelu").Device(tensorflow::DEVICE_CPU), ForwardKernel);
REGISTER_KERNEL_BUILDER(Name("KnlBiasGeluGrad").Device(tensorflow::DEVICE_CPU),
                        BackwardKernel);

}  // namespace
}  // namespace knl
