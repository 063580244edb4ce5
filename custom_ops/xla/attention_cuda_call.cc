// The attention ops' calls of programs that XLA compiles for NVIDIA GPUs.
#include <cstdint>

#include "tf/attention_on_gpu.h"
#include "xla/attention_call.h"

namespace knl {
namespace {

// XLA's stream and memory. What is given back when a call returns is only used again by work
// behind this call's on the stream.
class CallDevice : public CudaDevice {
 public:
  CallDevice(CUstream_st* stream, ffi::ScratchAllocator& scratch)
      : stream_(stream), scratch_(scratch) {}

  CUstream_st* stream() const override { return stream_; }

  // XLA promises no alignment so wide.
  void* Scratch(size_t bytes) override {
    constexpr uintptr_t kAlignment = 256;
    const auto memory = scratch_.Allocate(bytes + kAlignment);
    if (!memory.has_value() || *memory == nullptr) return nullptr;
    const auto address = reinterpret_cast<uintptr_t>(*memory);
    return reinterpret_cast<void*>((address + kAlignment - 1) / kAlignment * kAlignment);
  }

 private:
  CUstream_st* const stream_;
  ffi::ScratchAllocator& scratch_;
};

using Gpu = AttentionOnGpu<CallDevice>;

ffi::Error ForwardOnGpu(CUstream_st* stream, ffi::ScratchAllocator scratch,
                        ffi::RemainingArgs args, ffi::RemainingRets rets,
                        ffi::Dictionary attributes) {
  Gpu gpu(stream, scratch);
  return Forward(gpu, args, rets, attributes);
}

ffi::Error BackwardOnGpu(CUstream_st* stream, ffi::ScratchAllocator scratch,
                         ffi::RemainingArgs args, ffi::RemainingRets rets,
                         ffi::Dictionary attributes) {
  Gpu gpu(stream, scratch);
  return Backward(gpu, args, rets, attributes);
}

auto Binding() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::PlatformStream<CUstream_st*>>()
      .Ctx<ffi::ScratchAllocator>()
      .RemainingArgs()
      .RemainingRets()
      .Attrs();
}

XLA_FFI_DEFINE_HANDLER(kForward, ForwardOnGpu, Binding());
XLA_FFI_DEFINE_HANDLER(kBackward, BackwardOnGpu, Binding());
XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "knl_attention", "CUDA", kForward);
XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "knl_attention_grad", "CUDA", kBackward);

}  // namespace
}  // namespace knl
