// What attention_cuda.cu asks of the kernels for one type of arrays. Each type is a source
// file of its own, cuda_kernels_*.cu: they take long to compile.
#pragma once

#include "attention.h"
#include "cuda_instructions.h"

namespace knl {
namespace cuda {

struct ForwardCall {
  Attention a;
  const uint32_t* seed;
  const void *q, *k, *v;
  void* out;
  float* lse;
  bool chunks;  // all rows lie at multiples of 16 bytes
  bool tf32;
  bool ahead;  // there is memory to load a tile while another is used
};

struct BackwardCall {
  Attention a;
  const uint32_t* seed;
  const void *q, *k, *v, *dout;
  const float *lse, *delta;  // [rows, H]
  void *dq, *dk, *dv;
  float* dq_sum;  // [rows, H, kWidth], where blocks of keys add; null: dq comes from elsewhere
  float* dbias;
  bool chunks, tf32, ahead;
};

// Of E, a type of cuda_tile.h. They return null, or what CUDA says.
template <class E>
struct Kernels {
  // What a block needs of shared memory at least, for heads of this width.
  static size_t SharedBytes(int64_t width);
  // To which multiple heads' rows are rounded up in BackwardCall::dq_sum.
  static int PaddedWidth(int64_t width);

  static const char* Forward(ForwardCall call, const Gpu& gpu, CUstream_st* stream);
  // `call.delta` is made here, in `delta`.
  static const char* Backward(BackwardCall call, const void* out, const float* dlse,
                              float* delta, const Gpu& gpu, CUstream_st* stream);
};

struct Float32;
struct BFloat16;
struct Float16;

}  // namespace cuda
}  // namespace knl
