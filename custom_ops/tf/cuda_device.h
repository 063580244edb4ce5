// TensorFlow's GPU, as the CUDA kernels need it. Of CUDA itself nothing is called.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/attention_cuda.h"
#include "tensorflow/core/framework/device_base.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "xla/stream_executor/stream.h"

namespace knl {

// The stream of an op's device, and its allocator. Memory goes back when the op's call
// returns: what gets it next is put on the same stream, behind the op's own work.
class OpDevice : public CudaDevice {
 public:
  explicit OpDevice(tensorflow::OpKernelContext* ctx) : ctx_(ctx) {}

  CUstream_st* stream() const override {
    return static_cast<CUstream_st*>(tensorflow_stream()->platform_specific_handle().stream);
  }

  // TensorFlow aligns a GPU's memory to 256 bytes.
  void* Scratch(size_t bytes) override {
    tensorflow::Tensor memory;
    const tensorflow::TensorShape shape({std::max<int64_t>(1, bytes)});
    if (!ctx_->allocate_temp(tensorflow::DT_UINT8, shape, &memory).ok()) return nullptr;
    memories_.push_back(memory);
    return memory.data();
  }

  // Within the device's memory.
  absl::Status Copy(void* to, const void* from, size_t bytes) const {
    if (bytes == 0) return absl::OkStatus();
    stream_executor::DeviceAddressBase target(to, bytes);
    const stream_executor::DeviceAddressBase source(const_cast<void*>(from), bytes);
    return tensorflow_stream()->MemcpyD2D(&target, source, bytes);
  }

 private:
  stream_executor::Stream* tensorflow_stream() const {
    return ctx_->op_device_context()->stream();
  }

  tensorflow::OpKernelContext* const ctx_;
  std::vector<tensorflow::Tensor> memories_;
};

}  // namespace knl
