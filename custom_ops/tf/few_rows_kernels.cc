// Products of few rows on TensorFlow's CPU device.
#include "tf/context.h"
#include "tf/few_rows_arguments.h"
#include "tf/status.h"

namespace knl {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;

Weights WeightsOf(tensorflow::DataType type) {
  switch (type) {
    case tensorflow::DT_BFLOAT16:
      return Weights::kBFloat16;
    case tensorflow::DT_HALF:
      return Weights::kFloat16;
    case tensorflow::DT_INT8:
      return Weights::kInt8;
    default:
      return Weights::kFloat32;
  }
}

class FewRowsKernel : public OpKernel {
 public:
  explicit FewRowsKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, options_.Read(ctx));
  }

  void Compute(OpKernelContext* ctx) override {
    FewRows f;
    f.element = ElementOf(ctx->input_dtype(0));
    f.weights = WeightsOf(ctx->input_dtype(1));
    OP_REQUIRES_OK(ctx, AsStatus(ReadFewRows(options_, ArraysOf(ctx), &f)));
    FewRowsArrays arrays = {In(ctx, 0), In(ctx, 1), nullptr, nullptr, nullptr};
    const auto floats = [&](int i) { return static_cast<const float*>(In(ctx, i)); };
    if (options_.n_scale > 0) arrays.scale = floats(2);
    if (options_.n_bias > 0) arrays.bias = floats(2 + options_.n_scale);
    tensorflow::TensorShape shape = ctx->input(0).shape();
    shape.set_dim(shape.dims() - 1, f.outputs);
    OP_REQUIRES_OK(ctx, Allocate(ctx, 0, shape, &arrays.y));
    DeviceWorkers workers(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(FewRowsForward(f, arrays, workers)));
  }

 private:
  FewRowsOptions options_;
};

REGISTER_KERNEL_BUILDER(Name("KnlFewRows").Device(tensorflow::DEVICE_CPU), FewRowsKernel);

}  // namespace
}  // namespace knl
