// Attention to a cache on TensorFlow's CPU device.
#include <cstring>

#include "tf/cached_attention_kernel.h"

namespace knl {
namespace {

class Cpu {
 public:
  explicit Cpu(tensorflow::OpKernelContext* ctx) : workers_(ctx) {}

  absl::Status Copy(void* to, const void* from, size_t bytes) {
    std::memcpy(to, from, bytes);
    return absl::OkStatus();
  }
  template <typename... Arrays>
  Problem Forward(const CachedAttention& attention, Arrays... arrays) {
    return CachedAttentionForward(attention, arrays..., workers_);
  }

 private:
  DeviceWorkers workers_;
};

REGISTER_KERNEL_BUILDER(Name("KnlCachedAttention").Device(tensorflow::DEVICE_CPU),
                        CachedAttentionKernel<Cpu>);

}  // namespace
}  // namespace knl
