// The instructions that kernels for NVIDIA GPUs are made of: as PTX, or with
// KNL_CUDA_EMULATED as cuda_emulated.h does them, so that kernels run without a GPU.
#pragma once

#ifdef KNL_CUDA_EMULATED
#include "cuda_emulated.h"
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>

#define KNL_DEVICE __device__ __forceinline__
#define KNL_HOST_DEVICE __host__ __device__ __forceinline__
#define KNL_KERNEL(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
#define KNL_UNROLL _Pragma("unroll")

// From Ampere on: asynchronous copies, and tensor cores for bfloat16 and TF32.
#define KNL_AMPERE (!defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800)

namespace knl {
namespace cuda {

using Grid = dim3;

// ---- The device ----

// Null, or what CUDA says, which would say it again after the next call that succeeds.
inline const char* Said(cudaError_t error) {
  if (error == cudaSuccess) return nullptr;
  cudaGetLastError();
  return cudaGetErrorString(error);
}

inline const char* OldDriver() {
  thread_local char text[128];
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) return "there is no driver of NVIDIA's";
  std::snprintf(text, sizeof(text),
                "its driver serves CUDA %d.%d, and this is built with %d.%d; try a newer driver",
                driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                CUDART_VERSION % 1000 / 10);
  return text;
}

struct Gpu {
  const char* problem = nullptr;
  int version = 0;        // 90 for sm_90
  int shared_bytes = 0;   // that a block can have
  int multiprocessors = 0;

  // The current one, if none is named.
  explicit Gpu(int device = -1) {
    int major = 0, minor = 0;
    cudaError_t error = device < 0 ? cudaGetDevice(&device) : cudaSuccess;
    const auto read = [&](cudaDeviceAttr attribute, int* to) {
      if (error == cudaSuccess) error = cudaDeviceGetAttribute(to, attribute, device);
    };
    read(cudaDevAttrComputeCapabilityMajor, &major);
    read(cudaDevAttrComputeCapabilityMinor, &minor);
    read(cudaDevAttrMaxSharedMemoryPerBlockOptin, &shared_bytes);
    read(cudaDevAttrMultiProcessorCount, &multiprocessors);
    version = 10 * major + minor;
    problem = Said(error);
    if (error == cudaErrorInsufficientDriver) problem = OldDriver();
  }
};

// ---- Launching ----

struct LaunchOn {
  Grid grid;
  int threads;
  size_t shared_bytes;
  CUstream_st* stream;
};

// Null, or what CUDA says.
template <class... Parameters, class... Arguments>
const char* Launch(void (*kernel)(Parameters...), const LaunchOn& on, Arguments... arguments) {
  if (on.shared_bytes > 48 * 1024) {
    // The limit is the kernel's, not the call's: threads that set limits of their own would
    // take them from each other.
    const Gpu gpu;
    if (gpu.problem != nullptr) return gpu.problem;
    if (auto error = Said(cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, gpu.shared_bytes))) {
      return error;
    }
  }
  kernel<<<on.grid, on.threads, on.shared_bytes, on.stream>>>(arguments...);
  return Said(cudaGetLastError());
}

// To zeros; null, or what CUDA says.
inline const char* Clear(void* memory, size_t bytes, CUstream_st* stream) {
  return Said(cudaMemsetAsync(memory, 0, bytes, stream));
}

// ---- Where a thread is ----

KNL_DEVICE int Thread() { return threadIdx.x; }
KNL_DEVICE Grid BlockIndex() { return {blockIdx.x, blockIdx.y, blockIdx.z}; }
KNL_DEVICE Grid GridSize() { return {gridDim.x, gridDim.y, gridDim.z}; }

// Aligned to 1,024 bytes.
KNL_DEVICE uint8_t* Shared() {
  extern __shared__ __align__(1024) uint8_t shared[];
  return shared;
}

// Its address as instructions take it.
KNL_DEVICE uint32_t InShared(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// ---- Together ----

KNL_DEVICE void SyncBlock() { __syncthreads(); }
KNL_DEVICE bool SyncOr(bool mine) { return __syncthreads_or(mine); }
KNL_DEVICE void SyncWarp() { __syncwarp(); }

template <class T>
KNL_DEVICE T Shuffle(T mine, int from) {
  return __shfl_sync(0xffffffffu, mine, from);
}

template <class T>
KNL_DEVICE T ShuffleXor(T mine, int mask) {
  return __shfl_xor_sync(0xffffffffu, mine, mask);
}

KNL_DEVICE uint32_t Ballot(bool mine) { return __ballot_sync(0xffffffffu, mine); }

// ---- Numbers ----

KNL_DEVICE float Exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
KNL_DEVICE float Log2(float x) { return log2f(x); }
KNL_DEVICE float Tanh(float x) { return tanhf(x); }
KNL_DEVICE uint32_t MultiplyHigh(uint32_t x, uint32_t y) { return __umulhi(x, y); }
KNL_DEVICE uint32_t Bits(float x) { return __float_as_uint(x); }
KNL_DEVICE float FromBits(uint32_t bits) { return __uint_as_float(bits); }

// Rounded to TF32's 10 bits of fraction.
KNL_DEVICE uint32_t ToTf32(float x) {
#if KNL_AMPERE
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
#else
  return Bits(x);
#endif
}

KNL_DEVICE uint16_t ToBFloat16(float x) { return __bfloat16_as_ushort(__float2bfloat16_rn(x)); }
KNL_DEVICE uint16_t ToFloat16(float x) { return __half_as_ushort(__float2half_rn(x)); }
KNL_DEVICE float FromBFloat16(uint16_t bits) { return FromBits(uint32_t{bits} << 16); }
KNL_DEVICE float FromFloat16(uint16_t bits) { return __half2float(__ushort_as_half(bits)); }

KNL_DEVICE uint32_t PackBFloat16(float low, float high) {
#if KNL_AMPERE
  uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
#else
  return ToBFloat16(low) | uint32_t{ToBFloat16(high)} << 16;
#endif
}

KNL_DEVICE uint32_t PackFloat16(float low, float high) {
#if KNL_AMPERE
  uint32_t bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
#else
  return ToFloat16(low) | uint32_t{ToFloat16(high)} << 16;
#endif
}

KNL_DEVICE void AtomicAdd(float* sum, float x) { atomicAdd(sum, x); }

// To two neighbours; `sum` is aligned to 8 bytes.
KNL_DEVICE void AtomicAdd2(float* sum, float x, float y) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("red.global.add.v2.f32 [%0], {%1, %2};" ::"l"(sum), "f"(x), "f"(y) : "memory");
#else
  atomicAdd(sum, x);
  atomicAdd(sum + 1, y);
#endif
}

// ---- Matrices ----

// Four 8 x 8 matrices of 16 bits; each thread tells where a row begins.
KNL_DEVICE void LoadMatrices(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(InShared(row))
               : "memory");
}

KNL_DEVICE void LoadMatricesTransposed(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(InShared(row))
               : "memory");
}

// c [16, 8] += a [16, 8] b [8, 8] on the float32 units, where tensor cores lack floats: each
// thread asks the others for their shares of its rows and columns.
KNL_DEVICE void MultiplyByShuffles(float (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
  const int lane = threadIdx.x % 32, group = lane / 4, place = lane % 4;
  KNL_UNROLL
  for (int half = 0; half < 2; ++half) {  // registers 0 and 1, or 2 and 3
#pragma unroll 1  // there are hundreds of products in a kernel
    for (int holder = 0; holder < 4; ++holder) {
      const float upper = FromBits(Shuffle(a[2 * half], group * 4 + holder));
      const float lower = FromBits(Shuffle(a[2 * half + 1], group * 4 + holder));
      const float left = FromBits(Shuffle(b[half], place * 2 * 4 + holder));
      const float right = FromBits(Shuffle(b[half], (place * 2 + 1) * 4 + holder));
      c[0] += upper * left, c[1] += upper * right;
      c[2] += lower * left, c[3] += lower * right;
    }
  }
}

#define KNL_MULTIPLY(shape, type)                                                             \
  asm volatile("mma.sync.aligned." shape ".row.col.f32." type "." type ".f32 "                \
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"              \
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                               \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

// c [16, 8] += a [16, 16] b [16, 8], spread over a warp as mma.m16n8k16 has it.
KNL_DEVICE void MultiplyBFloat16(float (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
#if KNL_AMPERE
  KNL_MULTIPLY("m16n8k16", "bf16");
#else
  __trap();  // refused before
#endif
}

KNL_DEVICE void MultiplyFloat16(float (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
#if KNL_AMPERE
  KNL_MULTIPLY("m16n8k16", "f16");
#else  // Turing multiplies half as much at once
  for (int half = 0; half < 2; ++half) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
  }
#endif
}

// c [16, 8] += a [16, 8] b [8, 8], as mma.m16n8k8 has it. Tensor cores read what is left of a
// float in TF32.
KNL_DEVICE void MultiplyTf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
#if KNL_AMPERE
  KNL_MULTIPLY("m16n8k8", "tf32");
#else
  MultiplyByShuffles(c, a, b);
#endif
}

#undef KNL_MULTIPLY

// ---- Asynchronous copies ----

// 16 bytes, or zeros.
KNL_DEVICE void CopyAsync(void* to, const void* from, bool is_there) {
#if KNL_AMPERE
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(InShared(to)), "l"(from),
               "r"(is_there ? 16 : 0)
               : "memory");
#else
  *static_cast<uint4*>(to) = is_there ? *static_cast<const uint4*>(from) : uint4{0, 0, 0, 0};
#endif
}

KNL_DEVICE void CommitCopies() {
#if KNL_AMPERE
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Until at most the kPending latest commits are still on their way.
template <int kPending>
KNL_DEVICE void WaitForCopies() {
#if KNL_AMPERE
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace cuda
}  // namespace knl

#endif  // KNL_CUDA_EMULATED
