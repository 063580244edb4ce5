// Attention to a cache on TensorFlow's GPU device.
#include "kernels/attention_cuda.h"

#include "tf/cached_attention_kernel.h"
#include "tf/cuda_device.h"

namespace knl {
namespace {

class Gpu {
 public:
  explicit Gpu(tensorflow::OpKernelContext* ctx) : device_(ctx) {}

  absl::Status Copy(void* to, const void* from, size_t bytes) {
    return device_.Copy(to, from, bytes);
  }
  template <typename... Arrays>
  Problem Forward(const CachedAttention& attention, Arrays... arrays) {
    return CudaCachedAttentionForward(attention, arrays..., device_);
  }

 private:
  OpDevice device_;
};

// The call reads the index; all else is the device's.
REGISTER_KERNEL_BUILDER(
    Name("KnlCachedAttention").Device(tensorflow::DEVICE_GPU).HostMemory("index"),
    CachedAttentionKernel<Gpu>);

}  // namespace
}  // namespace knl
