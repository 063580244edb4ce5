// The calls that XLA's compiled programs make, whatever the device; see attention_xla.cc.
//
// A Device is of tf/attention_on_cpu.h or tf/attention_on_gpu.h.
//
// xla/ffi/ffi_api.h is for code inside XLA's own binary and must not be included here.
#pragma once

#include <string>
#include <vector>

#include "tf/arguments.h"
#include "xla/ffi/api/ffi.h"

extern "C" const XLA_FFI_Api* XLA_FFI_GetApi();

namespace knl {

namespace ffi = xla::ffi;

struct Call {
  Options options;
  Attention attention;
  const uint32_t* seed = nullptr;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
};

inline const float* Floats(const void* data) { return static_cast<const float*>(data); }

inline ffi::Error AsError(const std::string& sentence) {
  return sentence.empty() ? ffi::Error::Success() : ffi::Error::InvalidArgument(sentence);
}

inline ffi::Error AsError(Problem problem) {
  return AsError(std::string(problem ? problem : ""));
}

// Attributes are there and of these types, since attention_xla.cc wrote them.
inline Options ReadOptions(const ffi::Dictionary& attributes) {
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

template <typename Device>
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
  return AsError(Device::Read(call->options, arrays, &call->attention, &call->seed));
}

template <typename Device>
ffi::Error Forward(Device& device, ffi::RemainingArgs args, ffi::RemainingRets rets,
                   const ffi::Dictionary& attributes) {
  Call call;
  ffi::Error error = Unpack<Device>(args, rets, attributes, &call);
  if (error.failure()) return error;
  const auto& in = call.inputs;
  return AsError(device.Forward(call.attention, call.seed, in[0], in[1], in[2],
                                call.outputs[0], static_cast<float*>(call.outputs[1])));
}

template <typename Device>
ffi::Error Backward(Device& device, ffi::RemainingArgs args, ffi::RemainingRets rets,
                    const ffi::Dictionary& attributes) {
  Call call;
  ffi::Error error = Unpack<Device>(args, rets, attributes, &call);
  if (error.failure()) return error;
  const auto& in = call.inputs;
  const auto& out = call.outputs;
  const int64_t at = Places(call.options).gradient;
  float* dbias = out.size() > 3 ? static_cast<float*>(out[3]) : nullptr;
  return AsError(device.Backward(call.attention, call.seed, in[0], in[1], in[2], in[at],
                                 Floats(in[at + 1]), in[at + 2], Floats(in[at + 3]), out[0],
                                 out[1], out[2], dbias));
}

}  // namespace knl
