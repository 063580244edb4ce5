// The attention ops on TensorFlow's CPU device.
#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/lib/core/threadpool.h"
#include "tf/options.h"

namespace knl {
namespace {

using tensorflow::DataType;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// The intra-op pool and the device's allocator.
class DeviceWorkers : public Workers {
 public:
  explicit DeviceWorkers(OpKernelContext* ctx)
      : ctx_(ctx), pool_(ctx->device()->tensorflow_cpu_worker_threads()->workers) {}

  // The calling thread does one worker's share, so that the op uses as many cores as the
  // pool has threads.
  int count() const override { return std::max(1, pool_->NumThreads()); }
  void Schedule(std::function<void()> job) override { pool_->Schedule(std::move(job)); }

  // TensorFlow aligns to 64 bytes.
  void* Scratch(size_t bytes) override {
    Tensor memory;
    const TensorShape shape({static_cast<int64_t>(bytes)});
    if (!ctx_->allocate_temp(tensorflow::DT_UINT8, shape, &memory).ok()) return nullptr;
    memories_.push_back(memory);
    return memory.data();
  }

 private:
  OpKernelContext* const ctx_;
  tensorflow::thread::ThreadPool* const pool_;
  std::vector<Tensor> memories_;
};

Element ElementOf(DataType type) {
  switch (type) {
    case tensorflow::DT_BFLOAT16:
      return Element::kBFloat16;
    case tensorflow::DT_HALF:
      return Element::kFloat16;
    default:
      return Element::kFloat32;
  }
}

class AttentionKernel : public OpKernel {
 public:
  explicit AttentionKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, ReadOptions(ctx, &options_));
  }

 protected:
  absl::Status Unpack(OpKernelContext* ctx, Attention* attention) const {
    std::vector<Array> inputs(ctx->num_inputs());
    for (int i = 0; i < ctx->num_inputs(); ++i) {
      const Tensor& tensor = ctx->input(i);
      const auto sizes = tensor.shape().dim_sizes();
      inputs[i] = {Present(tensor.data()), true, {sizes.begin(), sizes.end()}};
    }
    attention->element = ElementOf(ctx->input_dtype(0));
    return AsStatus(ReadArguments(options_, inputs, attention));
  }

  static const void* In(OpKernelContext* ctx, int i) { return Present(ctx->input(i).data()); }

  static absl::Status Allocate(OpKernelContext* ctx, int i, const TensorShape& shape,
                               void** data) {
    Tensor* tensor = nullptr;
    TF_RETURN_IF_ERROR(ctx->allocate_output(i, shape, &tensor));
    *data = Present(tensor->data());
    return absl::OkStatus();
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
