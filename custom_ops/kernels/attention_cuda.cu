// Checks, and chooses kernels.
#include "attention_cuda.h"

#include <algorithm>
#include <cstdio>

#include "cuda_gpu.h"
#include "cuda_hopper_backward.h"
#include "cuda_hopper_forward.h"
#include "cuda_kernels.h"

namespace knl {
namespace {

using namespace cuda;

// Positions, and their distances, are 32-bit integers in the kernels.
constexpr int64_t kLongest = int64_t{1} << 29;
constexpr int64_t kMostInGrid = 65535;  // its second and third axes

Problem Check(const Attention& a) {
  if (Problem problem = CheckAttention(a, /*splits_are_here=*/false)) return problem;
  if (a.queries >= kLongest || a.keys >= kLongest || a.heads > kMostInGrid ||
      (a.bias != nullptr && a.bias_batch > kMostInGrid)) {
    return Say("On a GPU there may be %lld tokens, %lld heads and as many biases. Received: "
               "queries=%lld, keys=%lld, heads=%lld, bias_batch=%lld.",
               (long long)kLongest, (long long)kMostInGrid, (long long)a.queries,
               (long long)a.keys, (long long)a.heads, (long long)a.bias_batch);
  }
  return nullptr;
}

int64_t QueryRows(const Attention& a) {
  return (a.query_splits != nullptr ? 1 : a.batch) * a.queries;
}

size_t ElementBytes(Element element) { return element == Element::kFloat32 ? 4 : 2; }

// Whether rows of heads can be copied 16 bytes at a time.
bool InChunks(const Attention& a, std::initializer_list<const void*> arrays) {
  bool chunks = a.width * ElementBytes(a.element) % 16 == 0;
  for (const void* array : arrays) chunks &= reinterpret_cast<uintptr_t>(array) % 16 == 0;
  return chunks;
}

// ---- Choosing ----

// Calls act(Kernels) with those for a type.
template <class Act>
auto With(Element element, Act act) {
  if (element == Element::kBFloat16) return act(Kernels<BFloat16>());
  if (element == Element::kFloat16) return act(Kernels<Float16>());
  return act(Kernels<Float32>());
}

Problem CheckDevice(const Gpu& gpu, Element element, int64_t width) {
  if (Problem problem = CheckGpu(gpu)) return problem;
  if (gpu.version < 80 && element == Element::kBFloat16) {
    return Say("bfloat16 is served from compute capability 8.0 on. Received: %d.%d. Try "
               "float16.", gpu.version / 10, gpu.version % 10);
  }
  const size_t needed = With(element, [&](auto kernels) { return kernels.SharedBytes(width); });
  if (needed > static_cast<size_t>(gpu.shared_bytes)) {
    const int padded = With(element, [&](auto kernels) { return kernels.PaddedWidth(width); });
    return Say("Heads of up to %d numbers need %lld bytes of shared memory. This GPU has %d for "
               "a block.", padded, (long long)needed, gpu.shared_bytes);
  }
  return nullptr;
}

Problem AsProblem(const char* error) {
  return error == nullptr ? nullptr : Say("CUDA could not compute attention: %s.", error);
}

// ---- Scratch of the backward: delta, then what blocks of keys add to dq ----

size_t DeltaBytes(const Attention& a) {
  return (QueryRows(a) * a.heads * sizeof(float) + 255) / 256 * 256;
}

}  // namespace

Problem CudaAttentionForward(const Attention& a, const uint32_t* seed, const void* q,
                             const void* k, const void* v, void* out, float* lse,
                             CudaPrecision precision, CudaDevice& device) {
  if (Problem problem = Check(a)) return problem;
  const Gpu gpu;
  if (Problem problem = CheckDevice(gpu, a.element, a.width)) return problem;
  if (QueryRows(a) == 0 || a.batch == 0) return nullptr;
  if (HopperForwardServes(a, q, k, v, out)) {
    return AsProblem(HopperForward(a, seed, q, k, v, out, lse, device.stream()));
  }
  const ForwardCall call = {a,   seed, q, k, v, out, lse, InChunks(a, {q, k, v, out}),
                            precision.tf32, false};
  return AsProblem(With(a.element, [&](auto kernels) {
    return kernels.Forward(call, gpu, device.stream());
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
  const bool hopper = !precision.deterministic &&
                      HopperBackwardServes(a, q, k, v, out, dout, dq, dk, dv);
  const int64_t sums = precision.deterministic ? 0 : QueryRows(a) * a.heads;
  const int padded = With(a.element, [&](auto kernels) { return kernels.PaddedWidth(a.width); });
  const size_t bytes = std::max<size_t>(
      256, hopper ? HopperBackwardScratchBytes(a) : DeltaBytes(a) + sums * padded * sizeof(float));
  char* scratch = static_cast<char*>(device.Scratch(bytes));
  if (scratch == nullptr) {
    return Say("There was no memory on the GPU for the attention's scratch: %lld bytes.",
               (long long)bytes);
  }
  if (hopper) {
    return AsProblem(HopperBackward(a, seed, q, k, v, out, lse, dout, dlse, dq, dk, dv, scratch,
                                    device.stream()));
  }
  float* delta = reinterpret_cast<float*>(scratch);
  float* dq_sum =
      precision.deterministic ? nullptr : reinterpret_cast<float*>(scratch + DeltaBytes(a));
  const BackwardCall call = {a, seed, q, k, v, dout, lse, delta, dq, dk, dv, dq_sum, dbias,
                             InChunks(a, {q, k, v, dout, dq, dk, dv}), precision.tf32, false};
  return AsProblem(With(a.element, [&](auto kernels) {
    return kernels.Backward(call, out, dlse, delta, gpu, device.stream());
  }));
}

const char* CudaImplementation(Element element, int64_t width, Problem* why, bool plain,
                               int device_number) {
  const Gpu gpu(device_number);
  const Problem problem = CheckDevice(gpu, element, width);
  if (why != nullptr) *why = problem;
  if (problem != nullptr) return nullptr;
  thread_local char text[64];
  const bool half = element != Element::kFloat32;
  const bool hopper = IsHopper(gpu.version) && plain && half && (width == 64 || width == 128);
  std::snprintf(text, sizeof(text), "sm_%d, %s", gpu.version,
                hopper                      ? "wgmma"
                : gpu.version >= 80 || half ? "mma"
                                            : "no tensor cores");
  return text;
}

}  // namespace knl
