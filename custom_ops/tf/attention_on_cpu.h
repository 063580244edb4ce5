// The attention kernels' calls as all bindings make them, on a CPU. Knows no framework.
#pragma once

#include <string>
#include <vector>

#include "kernels/attention.h"
#include "tf/arguments.h"

namespace knl {

// `FrameworkWorkers` are made anew for each call, of what a framework hands to it.
template <typename FrameworkWorkers>
class AttentionOnCpu {
 public:
  template <typename... Given>
  explicit AttentionOnCpu(Given&... given) : workers_(given...) {}

  static std::string Read(const Options& options, const std::vector<Array>& inputs,
                          Attention* attention, const uint32_t**) {
    return ReadArguments(options, inputs, attention);
  }
  template <typename... Arrays>
  Problem Forward(const Attention& attention, const uint32_t*, Arrays... arrays) {
    return AttentionForward(attention, arrays..., workers_);
  }
  template <typename... Arrays>
  Problem Backward(const Attention& attention, const uint32_t*, Arrays... arrays) {
    return AttentionBackward(attention, arrays..., workers_);
  }

 private:
  FrameworkWorkers workers_;
};

}  // namespace knl
