// The attention ops on TensorFlow's CPU device.
#include "tf/attention_kernel.h"
#include "tf/attention_on_cpu.h"

namespace knl {
namespace {

using Cpu = AttentionOnCpu<DeviceWorkers>;

REGISTER_KERNEL_BUILDER(Name("KnlAttention").Device(tensorflow::DEVICE_CPU),
                        ForwardKernel<Cpu>);
REGISTER_KERNEL_BUILDER(Name("KnlAttentionGrad").Device(tensorflow::DEVICE_CPU),
                        BackwardKernel<Cpu>);

}  // namespace
}  // namespace knl
