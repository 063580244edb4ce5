// The types of the arrays, read as vectors of floats and written back rounded to nearest.
#pragma once

#include "lanes.h"

namespace knl {
namespace KNL_UNIT {
namespace {

struct Float32 {
  using Type = float;
  static KNL_INLINE Vec Read(const float* p) { return Load(p); }
  static KNL_INLINE void Write(float* p, Vec v) { Store(p, v); }
};

KNL_INLINE Bits Widen(const uint16_t* p) {
#if KNL_LANES == 8  // GCC 12 makes three instructions more of the plain conversions
  return (Bits)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
#else
  return __builtin_convertvector(*(const MemoryHalves*)p, Bits);
#endif
}

// Of numbers below 65536.
KNL_INLINE void Narrow(uint16_t* p, Bits bits) {
#if KNL_LANES == 8
  const __m256i halves = _mm256_packus_epi32((__m256i)bits, (__m256i)bits);
  _mm_storeu_si128((__m128i*)p, _mm256_castsi256_si128(_mm256_permute4x64_epi64(halves, 8)));
#else
  *(MemoryHalves*)p = __builtin_convertvector(bits, Halves);
#endif
}

// The upper halves of floats rounded to bfloat16, to even on a tie; NaN stays NaN.
KNL_INLINE Bits RoundToBFloat16(Vec v) {
  const Bits bits = (Bits)v;
  const Bits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return (Bits)(v == v ? (Ints)rounded : (Ints)((bits >> 16) | 64));
}

struct BFloat16 {
  using Type = uint16_t;
  static KNL_INLINE Vec Read(const uint16_t* p) { return (Vec)(Widen(p) << 16); }
  static KNL_INLINE void Write(uint16_t* p, Vec v) { Narrow(p, RoundToBFloat16(v)); }
};

struct Float16 {
  using Type = uint16_t;
#if KNL_LANES == 16
  static KNL_INLINE Vec Read(const uint16_t* p) {
    return (Vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
  }
  static KNL_INLINE void Write(uint16_t* p, Vec v) {
    _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph((__m512)v, 0));
  }
#elif KNL_LANES == 8
  static KNL_INLINE Vec Read(const uint16_t* p) {
    return (Vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
  }
  static KNL_INLINE void Write(uint16_t* p, Vec v) {
    _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph((__m256)v, 0));
  }
#else
  // Multiplying by 2^112 moves the exponent's bias from 15 to 127, subnormals included.
  static KNL_INLINE Vec Read(const uint16_t* p) {
    const Bits half = Widen(p);
    const Bits sign = (half & 0x8000) << 16, rest = (half & 0x7fff) << 13;
    const Bits finite = (Bits)((Vec)rest * Splat(0x1p112f));
    const Ints special = (Ints)((half & 0x7c00) == 0x7c00);  // infinity, NaN
    return (Vec)(sign | (Bits)(special ? (Ints)(rest | 0x7f800000) : (Ints)finite));
  }
  // Rounding happens in a float addition whose last bit is the half's last bit.
  static KNL_INLINE void Write(uint16_t* p, Vec v) {
    const Bits sign = (Bits)v & 0x80000000, size = (Bits)v ^ sign;
    const Ints tiny = (Ints)(size < 0x38800000);  // below 2^-14: subnormal as half
    const Bits small = (Bits)((Vec)size + Splat(0.5f)) - 0x3f000000;
    const Bits rounded = (size + 0xfff + ((size >> 13) & 1) - 0x38000000) >> 13;
    const Bits large = (Bits)((Ints)(size > 0x7f800000) ? SplatInt(0x7e00)
                                                        : SplatInt(0x7c00));
    Bits half = (Bits)(tiny ? (Ints)small : (Ints)rounded);
    half = (Bits)((Ints)(size >= 0x477ff000) ? (Ints)large : (Ints)half);
    Narrow(p, half | sign >> 16);
  }
#endif
};

// The first `count` lanes from memory, zero in the rest; memory behind them is not read.
template <class E>
KNL_INLINE Vec ReadPart(const typename E::Type* p, int64_t count) {
  if (count >= kLanes) return E::Read(p);
  typename E::Type part[kLanes] = {};
  if (count > 0) memcpy(part, p, count * sizeof(part[0]));
  return E::Read(part);
}

template <class E>
KNL_INLINE void WritePart(typename E::Type* p, Vec v, int64_t count) {
  if (count >= kLanes) return E::Write(p, v);
  typename E::Type part[kLanes];
  E::Write(part, v);
  if (count > 0) memcpy(p, part, count * sizeof(part[0]));
}

// to[0, width) gets from * factor.
template <class E>
KNL_INLINE void WriteRow(const float* from, float factor, int64_t width,
                         typename E::Type* to) {
  for (int64_t d = 0; d < width; d += kLanes) {
    WritePart<E>(to + d, Load(from + d) * Splat(factor), width - d);
  }
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
