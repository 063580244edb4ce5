#include "cuda_cached_attention.h"

namespace knl {

Problem CudaCachedAttentionForward(const CachedAttention& a, const void* q, const void* k,
                                   const void* v, void* cache, void* out, CudaDevice& device) {
  return cuda::CachedAttentionOnCuda(a, q, k, v, cache, out, device);
}

}  // namespace knl
