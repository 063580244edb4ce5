// The attention kernels' calls as all bindings make them, on an NVIDIA GPU.
#pragma once

#include <string>
#include <vector>

#include "kernels/attention_cuda.h"
#include "tensorflow/core/platform/tensor_float_32_utils.h"
#include "tensorflow/core/util/determinism.h"
#include "tf/arguments.h"

namespace knl {

// What TensorFlow's user wants, who may change it between calls.
inline CudaPrecision WantedPrecision() {
  CudaPrecision precision;
  precision.tf32 = tensorflow::tensor_float_32_execution_enabled();
  precision.deterministic = tensorflow::OpDeterminismRequired();
  return precision;
}

// `FrameworkDevice` is made anew for each call, of what a framework hands to it.
template <typename FrameworkDevice>
class AttentionOnGpu {
 public:
  template <typename... Given>
  explicit AttentionOnGpu(Given&... given) : device_(given...) {}

  static std::string Read(const Options& options, const std::vector<Array>& inputs,
                          Attention* attention, const uint32_t** seed) {
    return ReadDeviceArguments(options, inputs, attention, seed);
  }
  template <typename... Arrays>
  Problem Forward(const Attention& attention, const uint32_t* seed, Arrays... arrays) {
    return CudaAttentionForward(attention, seed, arrays..., WantedPrecision(), device_);
  }
  template <typename... Arrays>
  Problem Backward(const Attention& attention, const uint32_t* seed, Arrays... arrays) {
    return CudaAttentionBackward(attention, seed, arrays..., WantedPrecision(), device_);
  }

 private:
  FrameworkDevice device_;
};

}  // namespace knl
