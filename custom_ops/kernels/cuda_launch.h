// Puts the kernels of one type of arrays on a stream: see cuda_kernels.h.
#pragma once

#include <algorithm>

#include "cuda_forward.h"
#include "cuda_score_gradients.h"

namespace knl {
namespace cuda {

inline bool IsPlain(const Attention& a) {
  return a.scale > 0.0f && a.soft_cap == 0.0f && a.keep == nullptr &&
         a.query_segments == nullptr && a.bias == nullptr && a.slopes == nullptr;
}

template <class E, int kWidth>
struct Launcher {
  // Of the most demanding of the kernels, in the least of its memory.
  static constexpr size_t kSharedBytes =
      std::max({ForwardShape<E, kWidth>::Bytes(false, true),
                BackwardShape<E, kWidth>::Bytes(false, true), GradientShape<E, kWidth>::kBytes});
  static constexpr int kPaddedWidth = kWidth;

  static const char* Forward(ForwardCall call, const Gpu& gpu, CUstream_st* stream) {
    using Shape = ForwardShape<E, kWidth>;
    const Attention& a = call.a;
    const bool drops = a.dropout > 0.0f;
    call.ahead = Shape::Bytes(true, drops) <= static_cast<size_t>(gpu.shared_bytes);
    const Grid grid = {static_cast<unsigned>(BlocksOf(a, a.queries, Shape::kQueries)),
                       static_cast<unsigned>(a.heads), 1};
    const LaunchOn on = {grid, Shape::kThreads, Shape::Bytes(call.ahead, drops), stream};
    return IsPlain(a) ? Launch(ForwardKernel<E, kWidth, true>, on, call)
                      : Launch(ForwardKernel<E, kWidth, false>, on, call);
  }

  static const char* Backward(BackwardCall call, const void* out, const float* dlse, float* delta,
                       const Gpu& gpu, CUstream_st* stream) {
    const Attention& a = call.a;
    const int width = static_cast<int>(a.width);
    const int64_t rows = (a.query_splits != nullptr ? 1 : a.batch) * a.queries * a.heads;
    const bool drops = a.dropout > 0.0f;
    const unsigned heads = static_cast<unsigned>(a.heads);
    if (rows > 0) {
      const LaunchOn on = {{static_cast<unsigned>(UpDivide(rows, 8)), 1, 1}, 256, 0, stream};
      if (auto error = Launch(DeltaKernel<E>, on, out, call.dout, dlse, rows, width, delta)) {
        return error;
      }
      if (call.dq_sum != nullptr) {
        if (auto error = Clear(call.dq_sum, rows * kWidth * sizeof(float), stream)) return error;
      }
    }
    if (a.keys > 0 && a.batch > 0) {
      using Shape = BackwardShape<E, kWidth>;
      call.ahead = Shape::Bytes(true, drops) <= static_cast<size_t>(gpu.shared_bytes);
      const Grid grid = {static_cast<unsigned>(BlocksOf(a, a.keys, Shape::kKeys)),
                         static_cast<unsigned>(a.kv_heads), 1};
      const LaunchOn on = {grid, Shape::kThreads, Shape::Bytes(call.ahead, drops), stream};
      auto* const kernel =
          IsPlain(a) ? BackwardKernel<E, kWidth, true> : BackwardKernel<E, kWidth, false>;
      if (auto error = Launch(kernel, on, call)) return error;
    }
    using Shape = GradientShape<E, kWidth>;
    if (rows > 0 && call.dq_sum != nullptr) {
      const LaunchOn on = {{static_cast<unsigned>(UpDivide(rows * width, 256)), 1, 1}, 256, 0,
                           stream};
      const float* sums = call.dq_sum;
      if (auto error = Launch(RoundKernel<E>, on, sums, rows, kWidth, width, a.scale, call.dq)) {
        return error;
      }
    } else if (rows > 0) {
      const Grid grid = {static_cast<unsigned>(BlocksOf(a, a.queries, Shape::kQueries)), heads, 1};
      const LaunchOn on = {grid, Shape::kThreads, Shape::kBytes, stream};
      if (auto error = Launch(QueryGradientKernel<E, kWidth>, on, call)) return error;
    }
    if (call.dbias != nullptr && a.queries > 0 && a.keys > 0) {
      const Grid grid = {static_cast<unsigned>(UpDivide(a.queries, Shape::kQueries) *
                                               UpDivide(a.keys, Shape::kKeys)),
                         static_cast<unsigned>(a.bias_heads), static_cast<unsigned>(a.bias_batch)};
      const LaunchOn on = {grid, Shape::kThreads, Shape::kBytes, stream};
      return Launch(BiasGradientKernel<E, kWidth>, on, call);
    }
    return nullptr;
  }
};

// Calls act with the launcher for heads of this width.
template <class E, class Act>
auto WithWidth(int64_t width, Act act) {
  if (width <= 64) return act(Launcher<E, 64>());
  if (width <= 128) return act(Launcher<E, 128>());
  return act(Launcher<E, 256>());
}

template <class E>
size_t Kernels<E>::SharedBytes(int64_t width) {
  return WithWidth<E>(width, [](auto of) { return decltype(of)::kSharedBytes; });
}

template <class E>
int Kernels<E>::PaddedWidth(int64_t width) {
  return WithWidth<E>(width, [](auto of) { return decltype(of)::kPaddedWidth; });
}

template <class E>
const char* Kernels<E>::Forward(ForwardCall call, const Gpu& gpu, CUstream_st* stream) {
  return WithWidth<E>(call.a.width, [&](auto of) { return of.Forward(call, gpu, stream); });
}

template <class E>
const char* Kernels<E>::Backward(BackwardCall call, const void* out, const float* dlse,
                                 float* delta, const Gpu& gpu, CUstream_st* stream) {
  return WithWidth<E>(call.a.width,
                      [&](auto of) { return of.Backward(call, out, dlse, delta, gpu, stream); });
}

}  // namespace cuda
}  // namespace knl
