// The attention of attention.h and cached_attention.h on NVIDIA GPUs.
//
// Same arguments, same meaning, same dropped weights. All arrays are on the current device,
// those that Attention points to included; so is the seed, which stands beside it, and splits
// cannot be checked: they must be as attention.h says. Work is put on the device's stream, and
// a call returns before it is done.
//
// Sums run in float. bfloat16 and float16 are multiplied by tensor cores; float32 as well,
// each number as the sum of two of TF32 (three products for one, an error near float's own),
// or with Precision::tf32 rounded to TF32.
//
// Memory: backward, one or two floats for each query and head; and unless deterministic as many
// as q has numbers, heads counting as 64, 128 or 256 wide, and on Hopper packed sequences as
// multiples of 64 queries. Cached: (D + 2) floats for each query, head and share of the columns.
// Never of T x S.
#pragma once

#include "attention.h"
#include "cached_attention.h"

struct CUstream_st;

namespace knl {

// Where a call runs.
class CudaDevice {
 public:
  virtual ~CudaDevice() = default;
  virtual CUstream_st* stream() const = 0;
  // Memory of the device, aligned to 256 bytes, that nothing else uses until the work that
  // was put on the stream is done; null if there is none.
  virtual void* Scratch(size_t bytes) = 0;
};

struct CudaPrecision {
  bool tf32 = false;
  // The backward sums in one order, always, and costs two products in five more: without,
  // dq is summed by whichever block of keys comes first.
  bool deterministic = false;
};

// `seed` [2] may be null without dropout; Attention's own is not read.
Problem CudaAttentionForward(const Attention& attention, const uint32_t* seed,
                             const void* q, const void* k, const void* v, void* out,
                             float* lse, CudaPrecision precision, CudaDevice& device);

Problem CudaAttentionBackward(const Attention& attention, const uint32_t* seed,
                              const void* q, const void* k, const void* v, const void* out,
                              const float* lse, const void* dout, const float* dlse,
                              void* dq, void* dk, void* dv, float* dbias,
                              CudaPrecision precision, CudaDevice& device);

Problem CudaCachedAttentionForward(const CachedAttention& a, const void* q, const void* k,
                                   const void* v, void* cache, void* out, CudaDevice& device);

// What serves heads of this width on a device, the current one if that is -1: "sm_90, wgmma"
// say. Or null where nothing does, and `why`, if asked for, is the sentence that calls would
// give. Plain are calls without keep, segments, bias, slopes and soft cap.
const char* CudaImplementation(Element element, int64_t width, Problem* why = nullptr,
                               bool plain = true, int device_number = -1);

}  // namespace knl
