// TensorFlow's contexts, as the kernels need them: arrays, memory and threads.
#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <utility>
#include <vector>

#include "kernels/call.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/lib/core/threadpool.h"
#include "tf/array.h"

namespace knl {

// The intra-op pool and the device's allocator.
class DeviceWorkers : public Workers {
 public:
  explicit DeviceWorkers(tensorflow::OpKernelContext* ctx)
      : ctx_(ctx), pool_(ctx->device()->tensorflow_cpu_worker_threads()->workers) {}

  // The calling thread does one worker's share, so that the op uses as many cores as the
  // pool has threads.
  int count() const override { return std::max(1, pool_->NumThreads()); }
  void Schedule(std::function<void()> job) override { pool_->Schedule(std::move(job)); }

  // TensorFlow aligns to 64 bytes.
  void* Scratch(size_t bytes) override {
    tensorflow::Tensor memory;
    const tensorflow::TensorShape shape({static_cast<int64_t>(bytes)});
    if (!ctx_->allocate_temp(tensorflow::DT_UINT8, shape, &memory).ok()) return nullptr;
    memories_.push_back(memory);
    return memory.data();
  }

 private:
  tensorflow::OpKernelContext* const ctx_;
  tensorflow::thread::ThreadPool* const pool_;
  std::vector<tensorflow::Tensor> memories_;
};

inline Element ElementOf(tensorflow::DataType type) {
  switch (type) {
    case tensorflow::DT_BFLOAT16:
      return Element::kBFloat16;
    case tensorflow::DT_HALF:
      return Element::kFloat16;
    default:
      return Element::kFloat32;
  }
}

// All inputs, while a graph runs or is built.
inline std::vector<Array> ArraysOf(tensorflow::OpKernelContext* ctx) {
  std::vector<Array> inputs(ctx->num_inputs());
  for (int i = 0; i < ctx->num_inputs(); ++i) {
    const tensorflow::Tensor& tensor = ctx->input(i);
    const auto sizes = tensor.shape().dim_sizes();
    inputs[i] = {Present(tensor.data()), true, {sizes.begin(), sizes.end()}};
  }
  return inputs;
}

inline std::vector<Array> ArraysOf(tensorflow::shape_inference::InferenceContext* c) {
  std::vector<Array> inputs(c->num_inputs());
  for (int i = 0; i < c->num_inputs(); ++i) {
    const auto shape = c->input(i);
    inputs[i].ranked = c->RankKnown(shape);
    for (int axis = 0; inputs[i].ranked && axis < c->Rank(shape); ++axis) {
      inputs[i].sizes.push_back(c->Value(c->Dim(shape, axis)));
    }
  }
  return inputs;
}

inline const void* In(tensorflow::OpKernelContext* ctx, int i) {
  return Present(ctx->input(i).data());
}

// Output i; if it can be, in place of one of these inputs, which nobody else reads.
inline absl::Status Allocate(tensorflow::OpKernelContext* ctx, int i,
                             const tensorflow::TensorShape& shape, void** data,
                             std::initializer_list<int> in_place_of = {}) {
  tensorflow::Tensor* tensor = nullptr;
  TF_RETURN_IF_ERROR(ctx->forward_input_or_allocate_output(in_place_of, i, shape, &tensor));
  *data = Present(tensor->data());
  return absl::OkStatus();
}

}  // namespace knl
