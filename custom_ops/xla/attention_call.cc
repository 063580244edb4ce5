// The attention ops' calls of programs that XLA compiles for CPUs.
#include "xla/attention_call.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>

#include "tf/attention_on_cpu.h"

namespace knl {
namespace {

// XLA's threads; its scratch allocator serves GPUs only.
class CallWorkers : public Workers {
 public:
  explicit CallWorkers(ffi::ThreadPool& pool) : pool_(pool), count_(pool.num_threads()) {}

  int count() const override { return std::max<int64_t>(1, count_); }
  void Schedule(std::function<void()> job) override { pool_.Schedule(std::move(job)); }
  void* Scratch(size_t bytes) override {
    memories_.emplace_back(std::aligned_alloc(64, (bytes + 63) / 64 * 64), std::free);
    return memories_.back().get();
  }

 private:
  ffi::ThreadPool& pool_;
  const int64_t count_;  // 0 where XLA runs without a pool
  std::vector<std::unique_ptr<void, void (*)(void*)>> memories_;
};

using Cpu = AttentionOnCpu<CallWorkers>;

ffi::Error ForwardOnCpu(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets,
                        ffi::Dictionary attributes) {
  Cpu cpu(pool);
  return Forward(cpu, args, rets, attributes);
}

ffi::Error BackwardOnCpu(ffi::ThreadPool pool, ffi::RemainingArgs args,
                         ffi::RemainingRets rets, ffi::Dictionary attributes) {
  Cpu cpu(pool);
  return Backward(cpu, args, rets, attributes);
}

auto Binding() {
  return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets().Attrs();
}

XLA_FFI_DEFINE_HANDLER(kForward, ForwardOnCpu, Binding());
XLA_FFI_DEFINE_HANDLER(kBackward, BackwardOnCpu, Binding());
XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "knl_attention", "Host", kForward);
XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "knl_attention_grad", "Host", kBackward);

}  // namespace
}  // namespace knl
