// Vectors of floats, as wide as the instruction set of the unit that includes this.
//
// A unit is one .cc file compiled for one instruction set. It defines KNL_UNIT, the name of
// its namespace, and KNL_LANES, floats in a vector. Everything here and in the headers above
// lies in an anonymous namespace, and none uses the inline functions of the C++ library: the
// linker keeps one copy of such a function for all files, and the copy of a wider unit would
// crash a narrower machine.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define KNL_INLINE inline __attribute__((always_inline))
#define KNL_LAMBDA_INLINE __attribute__((always_inline))

namespace knl {
namespace KNL_UNIT {
namespace {

constexpr int kLanes = KNL_LANES;

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t Ints __attribute__((vector_size(kLanes * 4)));
typedef uint32_t Bits __attribute__((vector_size(kLanes * 4)));
typedef uint16_t Halves __attribute__((vector_size(kLanes * 2)));
// The same in memory, where nothing is aligned and packed words may hold other types.
typedef float MemoryVec __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef float MemoryPairs __attribute__((vector_size(kLanes * 4), aligned(2), may_alias));
typedef uint16_t MemoryHalves
    __attribute__((vector_size(kLanes * 2), aligned(2), may_alias));
typedef uint32_t Word __attribute__((may_alias));

KNL_INLINE Vec Load(const float* p) { return *(const MemoryVec*)p; }
KNL_INLINE void Store(float* p, Vec v) { *(MemoryVec*)p = v; }
KNL_INLINE Vec Splat(float x) { return x - Vec{}; }
KNL_INLINE Ints SplatInt(int32_t x) { return x - Ints{}; }
// 32 bits of any type, untouched by arithmetic.
KNL_INLINE Vec SplatWord(const float* p) { return (Vec)(*(const Word*)p + Bits{}); }

KNL_INLINE Ints LaneNumbers() {
  Ints lanes;
  for (int i = 0; i < kLanes; ++i) lanes[i] = i;
  return lanes;
}

// b where either is NaN, so that NaN passes through MaxOf(limit, x).
KNL_INLINE Vec MaxOf(Vec a, Vec b) {
#if KNL_LANES == 16
  return (Vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif KNL_LANES == 8
  return (Vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (Vec)_mm_max_ps((__m128)a, (__m128)b);
#else
  return a > b ? a : b;
#endif
}

// b where either is NaN.
KNL_INLINE Vec MinOf(Vec a, Vec b) {
#if KNL_LANES == 16
  return (Vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif KNL_LANES == 8
  return (Vec)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (Vec)_mm_min_ps((__m128)a, (__m128)b);
#else
  return a < b ? a : b;
#endif
}

KNL_INLINE bool AnyAbove(Vec v, float limit) {
#if KNL_LANES == 16
  return _mm512_cmp_ps_mask((__m512)v, _mm512_set1_ps(limit), _CMP_GT_OQ) != 0;
#elif KNL_LANES == 8
  return _mm256_movemask_ps(
             _mm256_cmp_ps((__m256)v, _mm256_set1_ps(limit), _CMP_GT_OQ)) != 0;
#elif defined(__SSE2__)
  return _mm_movemask_ps(_mm_cmpgt_ps((__m128)v, _mm_set1_ps(limit))) != 0;
#else
  bool any = false;
  for (int i = 0; i < kLanes; ++i) any |= v[i] > limit;
  return any;
#endif
}

// Pairs of lanes first, so that no chain is longer than log2(kLanes).
KNL_INLINE float SumOf(Vec v) {
#if KNL_LANES == 16
  return _mm512_reduce_add_ps((__m512)v);
#else
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) v[i] += v[i + half];
  }
  return v[0];
#endif
}

KNL_INLINE float HighestOf(Vec v) {
#if KNL_LANES == 16
  return _mm512_reduce_max_ps((__m512)v);
#else
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) v[i] = v[i] > v[i + half] ? v[i] : v[i + half];
  }
  return v[0];
#endif
}

// x = n + f, n whole and |f| <= 1/2, for |x| < 2^22. `exponent` is 2^n in the bits of a
// float, but for the bias of 127.
struct Parts {
  Vec f;
  Bits exponent;
};

KNL_INLINE Parts Split(Vec x) {
  const Vec magic = Splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const Vec shifted = x + magic;
  return {x - (shifted - magic), (Bits)shifted << 23};
}

// 2^f - 1 for |f| <= 1/2, as accurate near 0 as elsewhere: 2e-7 of its own size.
KNL_INLINE Vec SmallPower(Vec f) {
  Vec p = Splat(0x1.4298c8p-13f);
  p = p * f + Splat(0x1.5ef134p-10f);
  p = p * f + Splat(0x1.3b2c3cp-7f);
  p = p * f + Splat(0x1.c6afa4p-5f);
  p = p * f + Splat(0x1.ebfbdep-3f);
  p = p * f + Splat(0x1.62e430p-1f);
  return p * f;
}

// 2^x for x < 128, relative error under 2e-7; 0 for -infinity, so that a masked score weighs
// nothing.
KNL_INLINE Vec Exp2(Vec x) {
#if KNL_LANES == 16
  // Two instructions of AVX-512 split x and put the power back, limits included.
  const Vec f = (Vec)_mm512_reduce_ps((__m512)x, 1);  // x - floor(x); 0 for -infinity
  Vec p = Splat(0x1.e974fap-10f);
  p = p * f + Splat(0x1.277856p-7f);
  p = p * f + Splat(0x1.c91ce6p-5f);
  p = p * f + Splat(0x1.ebdb56p-3f);
  p = p * f + Splat(0x1.62e4bap-1f);
  p = p * f + Splat(1.0f);
  return (Vec)_mm512_scalef_ps((__m512)p, (__m512)x);  // p 2^floor(x)
#else
  // From -127 down the exponent's bits make exactly 0.
  const Parts parts = Split(MaxOf(Splat(-127.0f), x));
  return (Vec)((Bits)(SmallPower(parts.f) + Splat(1.0f)) + parts.exponent);
#endif
}

// As accurate near 0 as elsewhere: e / (e + 2) with e = exp(2 x) - 1.
KNL_INLINE Vec Tanh(Vec x) {
  const Vec y = x * Splat(2.8853900817779268f);  // 2 log2(e)
  const Parts parts = Split(-MaxOf(-MaxOf(y, Splat(-60.0f)), Splat(-60.0f)));
  const Vec power = (Vec)((Bits)Splat(1.0f) + parts.exponent);  // 2^n
  const Vec e = power * SmallPower(parts.f) + (power - Splat(1.0f));
  return e / (e + Splat(2.0f));
}

// Rows and columns of a square of kLanes x kLanes words, swapped: log2(kLanes) rounds of
// shuffling every row with the one half a square below.
KNL_INLINE void Transpose(Vec* rows) {
  Ints low, high;
  for (int i = 0; i < kLanes; ++i) {
    low[i] = i / 2 + i % 2 * kLanes;
    high[i] = low[i] + kLanes / 2;
  }
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    Vec next[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = __builtin_shuffle(rows[i], rows[i + kLanes / 2], low);
      next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + kLanes / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

// Lane i is the sum of the lanes of rows[i], for kLanes rows, which do not survive.
KNL_INLINE Vec SumsOf(Vec* rows) {
  Transpose(rows);
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) rows[i] += rows[i + half];
  }
  return rows[0];
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
