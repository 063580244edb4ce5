// The calls that XLA's compiled programs make, see attention_xla.cc.
//
// xla/ffi/ffi_api.h is for code inside XLA's own binary and must not be included here.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tf/arguments.h"
#include "xla/ffi/api/ffi.h"

extern "C" const XLA_FFI_Api* XLA_FFI_GetApi();

namespace knl {
namespace {

namespace ffi = xla::ffi;

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

struct Call {
  Options options;
  Attention attention;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
};

const float* Floats(const void* data) { return static_cast<const float*>(data); }

ffi::Error AsError(const std::string& sentence) {
  return sentence.empty() ? ffi::Error::Success() : ffi::Error::InvalidArgument(sentence);
}

ffi::Error AsError(Problem problem) { return AsError(std::string(problem ? problem : "")); }

// Attributes are there and of these types, since attention_xla.cc wrote them.
Options ReadOptions(const ffi::Dictionary& attributes) {
  const auto number = [&](const char* name) { return *attributes.get<float>(name); };
  const auto whole = [&](const char* name) { return *attributes.get<int64_t>(name); };
  Options o;
  o.scale = number("scale");
  o.soft_cap = number("soft_cap");
  o.dropout = number("dropout");
  o.window_left = whole("window_left");
  o.window_right = whole("window_right");
  o.n_splits = whole("n_splits");
  o.n_keep = whole("n_keep");
  o.n_segments = whole("n_segments");
  o.n_bias = whole("n_bias");
  o.n_slopes = whole("n_slopes");
  o.n_seed = whole("n_seed");
  return o;
}

ffi::Error Unpack(ffi::RemainingArgs args, ffi::RemainingRets rets,
                  const ffi::Dictionary& attributes, Call* call) {
  std::vector<Array> arrays;
  for (size_t i = 0; i < args.size(); ++i) {
    const ffi::AnyBuffer buffer = *args.get<ffi::AnyBuffer>(i);
    const auto sizes = buffer.dimensions();
    arrays.push_back({Present(buffer.untyped_data()), true, {sizes.begin(), sizes.end()}});
    call->inputs.push_back(arrays.back().data);
  }
  for (size_t i = 0; i < rets.size(); ++i) {
    ffi::Result<ffi::AnyBuffer> buffer = *rets.get<ffi::AnyBuffer>(i);
    call->outputs.push_back(Present(buffer->untyped_data()));
  }
  const ffi::DataType type = args.get<ffi::AnyBuffer>(0)->element_type();
  call->attention.element = type == ffi::BF16  ? Element::kBFloat16
                            : type == ffi::F16 ? Element::kFloat16
                                               : Element::kFloat32;
  call->options = ReadOptions(attributes);
  return AsError(ReadArguments(call->options, arrays, &call->attention));
}

ffi::Error Forward(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets,
                   ffi::Dictionary attributes) {
  Call call;
  if (ffi::Error error = Unpack(args, rets, attributes, &call); error.failure()) return error;
  CallWorkers workers(pool);
  const auto& in = call.inputs;
  return AsError(AttentionForward(call.attention, in[0], in[1], in[2], call.outputs[0],
                                  static_cast<float*>(call.outputs[1]), workers));
}

ffi::Error Backward(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets,
                    ffi::Dictionary attributes) {
  Call call;
  if (ffi::Error error = Unpack(args, rets, attributes, &call); error.failure()) return error;
  CallWorkers workers(pool);
  const auto& in = call.inputs;
  const auto& out = call.outputs;
  const int64_t at = Places(call.options).gradient;
  float* dbias = out.size() > 3 ? static_cast<float*>(out[3]) : nullptr;
  return AsError(AttentionBackward(call.attention, in[0], in[1], in[2], in[at],
                                   Floats(in[at + 1]), in[at + 2], Floats(in[at + 3]), out[0],
                                   out[1], out[2], dbias, workers));
}

auto Binding() {
  return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets().Attrs();
}

XLA_FFI_DEFINE_HANDLER(kForward, Forward, Binding());
XLA_FFI_DEFINE_HANDLER(kBackward, Backward, Binding());
XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "knl_attention", "Host", kForward);
XLA_FFI_REGISTER_HANDLER(XLA_FFI_GetApi(), "knl_attention_grad", "Host", kBackward);

}  // namespace
}  // namespace knl
