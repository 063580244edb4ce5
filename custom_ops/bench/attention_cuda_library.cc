// Attention on GPUs as C functions over raw pointers, for callers that load a library: see
// attention_cuda_torch.py.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "kernels/attention_cuda.h"

#define KNL_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// Scratch in the stream's order.
class StreamDevice : public knl::CudaDevice {
 public:
  explicit StreamDevice(void* stream) : stream_(static_cast<cudaStream_t>(stream)) {
    static const bool kept = KeepMemory();  // else it goes back when the stream is waited for
    (void)kept;
  }
  ~StreamDevice() override {
    for (void* memory : scratch_) cudaFreeAsync(memory, stream_);
  }
  CUstream_st* stream() const override { return stream_; }
  void* Scratch(size_t bytes) override {
    void* memory = nullptr;
    if (cudaMallocAsync(&memory, bytes, stream_) != cudaSuccess) {
      cudaGetLastError();
      return nullptr;
    }
    scratch_.push_back(memory);
    return memory;
  }

 private:
  static bool KeepMemory() {
    int device = 0;
    cudaMemPool_t pool;
    uint64_t most = UINT64_MAX;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetDefaultMemPool(&pool, device) == cudaSuccess &&
           cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &most) == cudaSuccess;
  }
  cudaStream_t stream_;
  std::vector<void*> scratch_;
};

}  // namespace

extern "C" {

// What to compute, as attention.h says it; scale is 1 / sqrt(width). element: 0 float32,
// 1 bfloat16, 2 float16. The pointers are to the device's memory; splits and seed may be null.
struct knl_attention {
  int32_t element, causal;
  int64_t batch, queries, keys, heads, kv_heads, width;
  float dropout;
  int32_t deterministic;
  const int64_t *query_splits, *key_splits;
  const uint32_t* seed;
  void* stream;
};

}  // extern "C"

namespace {

knl::Attention Unpacked(const knl_attention& c) {
  knl::Attention a;
  a.element = static_cast<knl::Element>(c.element);
  a.batch = c.batch, a.queries = c.queries, a.keys = c.keys;
  a.heads = c.heads, a.kv_heads = c.kv_heads, a.width = c.width;
  a.scale = c.width > 0 ? 1 / __builtin_sqrtf(static_cast<float>(c.width)) : 1;
  if (c.causal) a.window_right = 0;
  a.dropout = c.dropout;
  a.query_splits = c.query_splits, a.key_splits = c.key_splits;
  return a;
}

}  // namespace

// Both give null, or the sentence of what is wrong, which holds until the thread's next call.
KNL_EXPORT const char* knl_attention_forward(const knl_attention* c, const void* q,
                                             const void* k, const void* v, void* out,
                                             float* lse) {
  StreamDevice device(c->stream);
  knl::CudaPrecision precision;
  precision.deterministic = c->deterministic != 0;
  return knl::CudaAttentionForward(Unpacked(*c), c->seed, q, k, v, out, lse, precision, device);
}

KNL_EXPORT const char* knl_attention_backward(const knl_attention* c, const void* q,
                                              const void* k, const void* v, const void* out,
                                              const float* lse, const void* dout, void* dq,
                                              void* dk, void* dv) {
  StreamDevice device(c->stream);
  knl::CudaPrecision precision;
  precision.deterministic = c->deterministic != 0;
  return knl::CudaAttentionBackward(Unpacked(*c), c->seed, q, k, v, out, lse, dout, nullptr,
                                    dq, dk, dv, nullptr, precision, device);
}

KNL_EXPORT const char* knl_attention_implementation(int32_t element, int64_t width) {
  return knl::CudaImplementation(static_cast<knl::Element>(element), width);
}
