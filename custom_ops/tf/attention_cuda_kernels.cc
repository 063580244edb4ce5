// The attention ops on TensorFlow's GPU device.
#include "tf/attention_kernel.h"
#include "tf/attention_on_gpu.h"
#include "tf/cuda_device.h"

namespace knl {
namespace {

using Gpu = AttentionOnGpu<OpDevice>;

// Every input is in the GPU's memory, those of int32 as well, which TensorFlow's own kernels
// like to have in the host's.
REGISTER_KERNEL_BUILDER(Name("KnlAttention").Device(tensorflow::DEVICE_GPU),
                        ForwardKernel<Gpu>);
REGISTER_KERNEL_BUILDER(Name("KnlAttentionGrad").Device(tensorflow::DEVICE_GPU),
                        BackwardKernel<Gpu>);

}  // namespace
}  // namespace knl
