// Checks, chooses kernels, and puts them on the stream.
#include "attention_cuda.h"

#include <algorithm>
#include <cstdio>

#include "cuda_forward.h"
#include "cuda_score_gradients.h"

namespace knl {
namespace {

using namespace cuda;

// Positions, and their distances, are 32-bit integers in the kernels.
constexpr int64_t kLongest = int64_t{1} << 29;
constexpr int64_t kMostInGrid = 65535;  // its second and third axes

Problem Check(const Attention& a) {
  Attention known = a;  // but for what lies on the device
  known.query_splits = known.key_splits = nullptr;
  if (Problem problem = CheckAttention(known)) return problem;
  if (a.queries >= kLongest || a.keys >= kLongest || a.heads > kMostInGrid ||
      (a.bias != nullptr && a.bias_batch > kMostInGrid)) {
    return Say("On a GPU there may be %lld tokens, %lld heads and as many biases. Received: "
               "queries=%lld, keys=%lld, heads=%lld, bias_batch=%lld.",
               (long long)kLongest, (long long)kMostInGrid, (long long)a.queries,
               (long long)a.keys, (long long)a.heads, (long long)a.bias_batch);
  }
  return nullptr;
}

bool IsPlain(const Attention& a) {
  return a.scale > 0.0f && a.soft_cap == 0.0f && a.keep == nullptr &&
         a.query_segments == nullptr && a.bias == nullptr && a.slopes == nullptr;
}

int64_t QueryRows(const Attention& a) {
  return (a.query_splits != nullptr ? 1 : a.batch) * a.queries;
}

int64_t KeyRows(const Attention& a) {
  return (a.key_splits != nullptr ? 1 : a.batch) * a.keys;
}

size_t ElementBytes(Element element) { return element == Element::kFloat32 ? 4 : 2; }

// Whether rows of heads can be copied 16 bytes at a time.
bool InChunks(const Attention& a, std::initializer_list<const void*> arrays) {
  bool chunks = a.width * ElementBytes(a.element) % 16 == 0;
  for (const void* array : arrays) chunks &= reinterpret_cast<uintptr_t>(array) % 16 == 0;
  return chunks;
}

// ---- Choosing ----

template <class E, int kWidth>
struct Kind {
  using Type = E;
  static constexpr int kPaddedWidth = kWidth;
  // Of the most demanding of its kernels, in the least of its memory.
  static constexpr size_t kBytes =
      std::max({ForwardShape<E, kWidth>::Bytes(false, true),
                BackwardShape<E, kWidth>::Bytes(false, true), GradientShape<E, kWidth>::kBytes});
};

// Calls act(Kind) with the kernels for a type and a width.
template <class Act>
auto With(Element element, int64_t width, Act act) {
  const auto of_type = [&](auto type) {
    using E = decltype(type);
    if (width <= 64) return act(Kind<E, 64>());
    if (width <= 128) return act(Kind<E, 128>());
    return act(Kind<E, 256>());
  };
  if (element == Element::kBFloat16) return of_type(BFloat16());
  if (element == Element::kFloat16) return of_type(Float16());
  return of_type(Float32());
}

Problem CheckDevice(const Gpu& gpu, Element element, int64_t width) {
  if (gpu.problem != nullptr) return Say("There is no GPU that serves: %s.", gpu.problem);
  if (gpu.version < 75) {
    return Say("GPUs are served from compute capability 7.5 on. Received: %d.%d.",
               gpu.version / 10, gpu.version % 10);
  }
  const size_t needed = With(element, width, [](auto kind) { return decltype(kind)::kBytes; });
  if (needed > static_cast<size_t>(gpu.shared_bytes)) {
    return Say("Heads of %lld need %lld bytes of shared memory. This GPU has %d for a block.",
               (long long)width, (long long)needed, gpu.shared_bytes);
  }
  return nullptr;
}

Problem AsProblem(const char* error) {
  return error == nullptr ? nullptr : Say("CUDA could not compute attention: %s.", error);
}

// ---- Forward ----

template <class E, int kWidth>
const char* Forward(ForwardCall call, const Gpu& gpu, CUstream_st* stream) {
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

// ---- Backward ----

// Bytes of scratch: delta, then what blocks of keys add to dq.
size_t DeltaBytes(const Attention& a) {
  return (QueryRows(a) * a.heads * sizeof(float) + 255) / 256 * 256;
}

template <class E, int kWidth>
const char* Backward(BackwardCall call, const void* out, const float* dlse, float* delta,
                     const Gpu& gpu, CUstream_st* stream) {
  const Attention& a = call.a;
  const int width = static_cast<int>(a.width);
  const int64_t rows = QueryRows(a) * a.heads;
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
  if (KeyRows(a) > 0) {
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

}  // namespace

Problem CudaAttentionForward(const Attention& a, const uint32_t* seed, const void* q,
                             const void* k, const void* v, void* out, float* lse,
                             CudaPrecision precision, CudaDevice& device) {
  if (Problem problem = Check(a)) return problem;
  const Gpu gpu;
  if (Problem problem = CheckDevice(gpu, a.element, a.width)) return problem;
  if (QueryRows(a) == 0 || a.batch == 0) return nullptr;
  const ForwardCall call = {a,   seed, q, k, v, out, lse, InChunks(a, {q, k, v, out}),
                            precision.tf32, false};
  return AsProblem(With(a.element, a.width, [&](auto kind) {
    using K = decltype(kind);
    return Forward<typename K::Type, K::kPaddedWidth>(call, gpu, device.stream());
  }));
}

Problem CudaAttentionBackward(const Attention& a, const uint32_t* seed, const void* q,
                              const void* k, const void* v, const void* out, const float* lse,
                              const void* dout, const float* dlse, void* dq, void* dk, void* dv,
                              float* dbias, CudaPrecision precision, CudaDevice& device) {
  if (Problem problem = Check(a)) return problem;
  const Gpu gpu;
  if (Problem problem = CheckDevice(gpu, a.element, a.width)) return problem;
  if (a.bias == nullptr) dbias = nullptr;
  if (a.batch == 0) {
    const size_t bias = dbias == nullptr ? 0 : a.bias_batch * a.bias_heads * a.queries * a.keys;
    return bias == 0 ? nullptr : AsProblem(Clear(dbias, bias * sizeof(float), device.stream()));
  }
  return With(a.element, a.width, [&](auto kind) {
    using K = decltype(kind);
    const size_t sum_bytes =
        precision.deterministic ? 0
                                : QueryRows(a) * a.heads * K::kPaddedWidth * sizeof(float);
    const size_t bytes = std::max<size_t>(256, DeltaBytes(a) + sum_bytes);
    char* scratch = static_cast<char*>(device.Scratch(bytes));
    if (scratch == nullptr) {
      return Say("There was no memory on the GPU for the attention's scratch: %lld bytes.",
                 (long long)bytes);
    }
    float* delta = reinterpret_cast<float*>(scratch);
    float* sums =
        precision.deterministic ? nullptr : reinterpret_cast<float*>(scratch + DeltaBytes(a));
    const BackwardCall call = {a, seed, q, k, v, dout, lse, delta, dq, dk, dv, sums,
                               dbias, InChunks(a, {q, k, v, dout, dq, dk, dv}), precision.tf32, false};
    return AsProblem(Backward<typename K::Type, K::kPaddedWidth>(call, out, dlse, delta, gpu,
                                                                 device.stream()));
  });
}

const char* CudaImplementation(Element element, int64_t width, Problem* why) {
  const Gpu gpu;
  const Problem problem = CheckDevice(gpu, element, width);
  if (why != nullptr) *why = problem;
  if (problem != nullptr) return nullptr;
  thread_local char text[64];
  const bool tensor_cores = gpu.version >= 80 || element == Element::kFloat16;
  std::snprintf(text, sizeof(text), "sm_%d, %s", gpu.version,
                tensor_cores ? "mma" : "no tensor cores");
  return text;
}

}  // namespace knl
