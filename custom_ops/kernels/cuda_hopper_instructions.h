// What Hopper GPUs (sm_90a) have beyond cuda_instructions.h: products by groups of four warps,
// wgmma, that read shared memory by themselves; copies of boxes of an array by one thread; and
// barriers that such copies arrive at. With KNL_CUDA_EMULATED as cuda_hopper_emulated.h does
// them.
//
// Tiles of 16-bit elements lie in shared memory as columns of panels: a panel has 64 elements,
// 128 bytes, of each row, row below row, and begins at a multiple of 1,024 bytes; bits 4 to 6
// of an address are swizzled by bits 7 to 9.
#pragma once

#include "call.h"
#include "cuda_instructions.h"

#ifdef KNL_CUDA_EMULATED
#define KNL_HOPPER true
#define KNL_GRID_CONSTANT
#define KNL_AS_LOOP
#include "cuda_hopper_emulated.h"
#else

// Whether this compilation of the device's code may use what is below.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define KNL_HOPPER true
#else
#define KNL_HOPPER false
#endif

#define KNL_GRID_CONSTANT __grid_constant__
#define KNL_AS_LOOP _Pragma("unroll 1")

#include <cuda.h>  // for types alone: libcuda is not linked

namespace knl {
namespace cuda {

// ---- Maps of arrays ----

using TensorMap = CUtensorMap;

// Of a dense, row-major array [batch, rows, heads, width] of 16 bits, to be copied in boxes of
// `box_rows` rows of 64 elements of a head. Null, or what is wrong.
inline const char* MakeTensorMap(TensorMap* map, Element element, const void* array,
                                 int64_t batch, int64_t rows, int64_t heads, int64_t width,
                                 int box_rows) {
  using Encode = decltype(&cuTensorMapEncodeTiled);
  static const Encode encode = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
    const cudaError_t error = cudaGetDriverEntryPointByVersion(
        "cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
#else
    const cudaError_t error =
        cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &result);
#endif
    const bool is_there = error == cudaSuccess && result == cudaDriverEntryPointSuccess;
    return reinterpret_cast<Encode>(is_there ? found : nullptr);
  }();
  if (encode == nullptr) return "the driver has no cuTensorMapEncodeTiled";
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(width), static_cast<cuuint64_t>(heads),
                              static_cast<cuuint64_t>(rows), static_cast<cuuint64_t>(batch)};
  const cuuint64_t strides[] = {sizes[0] * 2, sizes[1] * sizes[0] * 2,
                                sizes[2] * sizes[1] * sizes[0] * 2};  // bytes
  const cuuint32_t box[] = {64, 1, static_cast<cuuint32_t>(box_rows), 1};
  const cuuint32_t steps[] = {1, 1, 1, 1};
  const CUresult result =
      encode(map,
             element == Element::kBFloat16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                                           : CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
             4, const_cast<void*>(array), sizes, strides, box, steps,
             CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? nullptr : "cuTensorMapEncodeTiled refuses the array";
}

// ---- Barriers in shared memory ----

// Phase after phase ends when as many arrivals as InitBarrier says, and all the bytes that
// were announced, are there.
using Barrier = uint64_t;

KNL_DEVICE void InitBarrier(Barrier* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(InShared(barrier)), "r"(arrivals)
               : "memory");
}

// After InitBarrier and before SyncBlock.
KNL_DEVICE void FenceBarriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

KNL_DEVICE void Arrive(Barrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(InShared(barrier)) : "memory");
}

KNL_DEVICE void ArriveAndExpect(Barrier* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(InShared(barrier)),
               "r"(bytes)
               : "memory");
}

// Until the latest phase of this parity has ended; the first has parity 0, and the one before
// it counts as ended.
KNL_DEVICE void WaitForPhase(Barrier* barrier, int parity) {
  asm volatile(
      "{\n"
      ".reg .pred ended;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
      "@ended bra done;\n"
      "bra again;\n"
      "done:\n"
      "}" ::"r"(InShared(barrier)),
      "r"(parity)
      : "memory");
}

// ---- Copies ----

// The box at these coordinates arrives at `barrier`; what lies outside of the array is zeros.
KNL_DEVICE void CopyBox(void* to, const TensorMap& map, Barrier* barrier, int column, int head,
                        int row, int batch) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(InShared(to)),
      "l"(&map), "r"(InShared(barrier)), "r"(column), "r"(head), "r"(row), "r"(batch)
      : "memory");
}

// Bytes in a row, from and to multiples of 16.
KNL_DEVICE void CopyBytes(void* to, const void* from, int bytes, Barrier* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
      ::"r"(InShared(to)),
      "l"(from), "r"(bytes), "r"(InShared(barrier))
      : "memory");
}

KNL_DEVICE void PrefetchMap(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

// Before products or copies meet what this thread stored to shared memory.
KNL_DEVICE void FenceShared() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Four 8 x 8 matrices of 16 bits; each thread tells where a row begins.
KNL_DEVICE void StoreMatrices(void* row, const uint32_t* r) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(
                   InShared(row)),
               "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}

// To four neighbours; `sum` is aligned to 16 bytes.
KNL_DEVICE void AtomicAdd4(float* sum, const float* x) {
  asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(sum), "f"(x[0]), "f"(x[1]),
               "f"(x[2]), "f"(x[3])
               : "memory");
}

// ---- Named barriers, 1 to 15 ----

KNL_DEVICE void SyncNamed(int name, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(name), "r"(threads) : "memory");
}

KNL_DEVICE void ArriveNamed(int name, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(name), "r"(threads) : "memory");
}

// ---- Registers ----

template <int kCount>
KNL_DEVICE void GrowRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}

template <int kCount>
KNL_DEVICE void ShrinkRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}

// ---- Products ----

// The compiler may not move what it knows of `x` past here.
template <int kCount>
KNL_DEVICE void Pin(float (&x)[kCount]) {
  KNL_UNROLL
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(x[i])::"memory");
}

template <int kCount>
KNL_DEVICE void Pin(uint32_t (&x)[kCount]) {
  KNL_UNROLL
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+r"(x[i])::"memory");
}

// Makes what x, never below 0, is computed from come before what follows: else the assembler
// would put the next wait for products before all that is to run beside them.
KNL_DEVICE void Finish(float x) {
  asm volatile(
      "{\n"
      ".reg .pred never;\n"
      "setp.lt.f32 never, %0, 0f00000000;\n"
      "@never st.volatile.shared.f32 [%1], %0;\n"
      "}" ::"f"(x),
      "r"(InShared(Shared()))
      : "memory");
}

// Before the first product since registers that it takes were written.
KNL_DEVICE void FenceProducts() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

KNL_DEVICE void CommitProducts() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Until at most the kPending latest commits are still being worked on.
template <int kPending>
KNL_DEVICE void WaitForProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

#define KNL_FLOATS8(c, i)                                                                     \
  "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3]), "+f"(c[i + 4]), "+f"(c[i + 5]), \
      "+f"(c[i + 6]), "+f"(c[i + 7])
#define KNL_FLOATS32(c, i) \
  KNL_FLOATS8(c, i), KNL_FLOATS8(c, i + 8), KNL_FLOATS8(c, i + 16), KNL_FLOATS8(c, i + 24)
#define KNL_FLOATS64(c, i) KNL_FLOATS32(c, i), KNL_FLOATS32(c, i + 32)
#define KNL_FLOATS88(c, i) \
  KNL_FLOATS64(c, i), KNL_FLOATS8(c, i + 64), KNL_FLOATS8(c, i + 72), KNL_FLOATS8(c, i + 80)

#define KNL_NAMES32                                                                        \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, "  \
  "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define KNL_NAMES64                                                                          \
  KNL_NAMES32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, "     \
  "%46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define KNL_NAMES88                                                                           \
  KNL_NAMES64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, " \
  "%79, %80, %81, %82, %83, %84, %85, %86, %87"

// Operands after the sums: the two matrices, whether to add, which of them are transposed.
#define KNL_TILES(n, type, sums, names, a_name, b_name, add, turn_a, turn_b)              \
  asm volatile("{\n"                                                                      \
               ".reg .pred add;\n"                                                        \
               "setp.ne.b32 add, " add ", 0;\n"                                           \
               "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" names  \
               "}, " a_name ", " b_name ", add, 1, 1, " turn_a ", " turn_b ";\n"          \
               "}"                                                                        \
               : sums                                                                     \
               : "l"(a), "l"(b), "r"(static_cast<int>(adds)), "n"(kTurnA), "n"(kTurnB)    \
               : "memory")
#define KNL_TILE(n, type, sums, names, a_names, b_name, add, turn_b)                      \
  asm volatile("{\n"                                                                      \
               ".reg .pred add;\n"                                                        \
               "setp.ne.b32 add, " add ", 0;\n"                                           \
               "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" names  \
               "}, {" a_names "}, " b_name ", add, 1, 1, " turn_b ";\n"                   \
               "}"                                                                        \
               : sums                                                                     \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),                      \
                 "r"(static_cast<int>(adds)), "n"(kTurnB)                                 \
               : "memory")
#define KNL_TILES_OF(type)                                                                    \
  if constexpr (kColumns == 64) {                                                             \
    KNL_TILES("64", type, KNL_FLOATS32(c, 0), KNL_NAMES32, "%32", "%33", "%34", "%35",        \
              "%36");                                                                         \
  } else if constexpr (kColumns == 128) {                                                     \
    KNL_TILES("128", type, KNL_FLOATS64(c, 0), KNL_NAMES64, "%64", "%65", "%66", "%67",       \
              "%68");                                                                         \
  } else {                                                                                    \
    KNL_TILES("176", type, KNL_FLOATS88(c, 0), KNL_NAMES88, "%88", "%89", "%90", "%91",       \
              "%92");                                                                         \
  }
#define KNL_TILE_OF(type)                                                                     \
  if constexpr (kColumns == 64) {                                                             \
    KNL_TILE("64", type, KNL_FLOATS32(c, 0), KNL_NAMES32, "%32, %33, %34, %35", "%36", "%37", \
             "%38");                                                                          \
  } else {                                                                                    \
    KNL_TILE("128", type, KNL_FLOATS64(c, 0), KNL_NAMES64, "%64, %65, %66, %67", "%68",       \
             "%69", "%70");                                                                   \
  }

// c [64, kColumns] (+)= a [64, 16] b [16, kColumns], begun; `a` and `b` are from AtTile.
// Turned ones lie with their 64 or kColumns along the rows of the tile.
//
// Thread 32 w + 4 r + p has rows 16 w + r and 8 below it, and of these columns 8 j + 2 p and
// the next: c[4 j], c[4 j + 1], and below c[4 j + 2], c[4 j + 3].
template <Element kElement, int kColumns, bool kTurnA, bool kTurnB>
KNL_DEVICE void MultiplyTiles(float (&c)[kColumns / 2], uint64_t a, uint64_t b, bool adds) {
  static_assert(kColumns == 64 || kColumns == 128 || kColumns == 176, "not written out");
  if constexpr (kElement == Element::kBFloat16) {
    KNL_TILES_OF("bf16")
  } else {
    KNL_TILES_OF("f16")
  }
}

// The same with `a` in registers: columns 2 p and 2 p + 1 of the two rows, then those 8 on.
template <Element kElement, int kColumns, bool kTurnB>
KNL_DEVICE void MultiplyTile(float (&c)[kColumns / 2], const uint32_t* a, uint64_t b,
                             bool adds) {
  static_assert(kColumns == 64 || kColumns == 128, "not written out");
  if constexpr (kElement == Element::kBFloat16) {
    KNL_TILE_OF("bf16")
  } else {
    KNL_TILE_OF("f16")
  }
}

#undef KNL_FLOATS8
#undef KNL_FLOATS32
#undef KNL_FLOATS64
#undef KNL_FLOATS88
#undef KNL_NAMES32
#undef KNL_NAMES64
#undef KNL_NAMES88
#undef KNL_TILES
#undef KNL_TILE
#undef KNL_TILES_OF
#undef KNL_TILE_OF

}  // namespace cuda
}  // namespace knl

#endif  // KNL_CUDA_EMULATED

namespace knl {
namespace cuda {

// ---- Tiles in shared memory ----

// Where element (row, column) of a tile of kRows rows lies, in bytes; column is a multiple of 8.
template <int kRows>
KNL_DEVICE int InTile(int row, int column) {
  return column / 64 * kRows * 128 + row * 128 + (column / 8 % 8 ^ row % 8) * 16;
}

// What tells wgmma of a tile that begins at `shared`, in 64 bits: where an operand of 16 in depth
// begins, the bytes from panel to panel (1 stands for none), those from eight rows to the next,
// and that 128 bytes are swizzled; bytes by 16.
KNL_DEVICE uint64_t DescribeTile(const void* shared) {
  constexpr uint64_t kFixed =
      uint64_t{1} << 62 | uint64_t{1024 / 16} << 32 | uint64_t{1} << 16;
  return kFixed | InShared(shared) >> 4;
}

// A tile of kRows rows as a turned operand, which may have several panels.
template <int kRows>
KNL_DEVICE uint64_t TurnTile(uint64_t tile) {
  return tile + (uint64_t{kRows * 128 / 16 - 1} << 16);
}

// The operand that begins at this row, and column: depth runs along columns, from `column` (a
// multiple of 16) on; or of a turned one along rows, from `row` (a multiple of 16) on, and
// `column` is a multiple of 64.
template <int kRows>
KNL_DEVICE uint64_t AtTile(uint64_t tile, int row, int column) {
  return tile + (column / 64 * kRows * 128 + row * 128 + column % 64 * 2) / 16;
}

}  // namespace cuda
}  // namespace knl
