// How weights of each type meet rows of x: floats of any width as floats, after they were
// widened in registers; weights of 8 bits in whole numbers, for which x's rows were rounded to
// 16 bits of their largest element: two weights meet two elements at a time, which is half
// the work of making floats of them.
#pragma once

#include "tokens.h"

namespace knl {
namespace KNL_UNIT {
namespace {

template <class W>
struct Meeting {
  using Type = typename W::Type;
  using Row = float;  // of x
  using Sum = Vec;
  static constexpr bool kFloat = true;
  static constexpr int kInputs = 1;            // that meet a lane at once
  static constexpr int64_t kMost = INT64_MAX;  // times that a sum may be added to

  static KNL_INLINE Vec Add(Vec sum, Vec x, Vec weights) { return sum + x * weights; }
  static KNL_INLINE Vec InEachLane(const float* x) { return Splat(*x); }
  static KNL_INLINE Vec ReadRow(const float* x) { return Load(x); }
  // Weights of one output, a lane's kInputs beside one another.
  static KNL_INLINE Vec ReadAlong(const Type* p) { return W::Read(p); }
  // Weights of 2 kLanes outputs, for each of kInputs inputs at p.
  static KNL_INLINE void ReadAcross(const Type* const* p, Vec weights[2]) {
    weights[0] = W::Read(p[0]);
    weights[1] = W::Read(p[0] + kLanes);
  }
  static KNL_INLINE Vec Float(Vec sum) { return sum; }
  // What lanes of ReadAcross summed up, output by output.
  static KNL_INLINE void InOrder(const Vec sums[2], Vec ordered[2]) {
    ordered[0] = sums[0];
    ordered[1] = sums[1];
  }
};

struct Int8 {
  using Type = int8_t;
};

// A lane holds two numbers of 16 bits.
template <>
struct Meeting<Int8> {
  using Type = int8_t;
  using Row = int16_t;
  using Sum = Ints;
  static constexpr bool kFloat = false;
  static constexpr int kInputs = 2;
  static constexpr int64_t kMost = 256;  // times 2 products of 23 bits

  static KNL_INLINE Ints Add(Ints sum, Ints x, Ints weights) {
#if defined(__AVX512VNNI__)
    return (Ints)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)x, (__m512i)weights);
#elif KNL_LANES == 16
    return sum + (Ints)_mm512_madd_epi16((__m512i)x, (__m512i)weights);
#elif KNL_LANES == 8
    return sum + (Ints)_mm256_madd_epi16((__m256i)x, (__m256i)weights);
#else
    return sum + (x << 16 >> 16) * (weights << 16 >> 16) + (x >> 16) * (weights >> 16);
#endif
  }

  static KNL_INLINE Ints InEachLane(const int16_t* x) {
    uint32_t pair;  // which may lie at an odd place
    memcpy(&pair, x, sizeof(pair));
    return (Ints)(pair + Bits{});
  }
  static KNL_INLINE Ints ReadRow(const int16_t* x) { return (Ints)Load((const float*)x); }

  static KNL_INLINE Ints ReadAlong(const int8_t* p) {
#if KNL_LANES == 16
    return (Ints)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p));
#elif KNL_LANES == 8
    return (Ints)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p));
#else
    Ints pairs;
    for (int i = 0; i < kLanes; ++i) pairs[i] = Pair(p[2 * i], p[2 * i + 1]);
    return pairs;
#endif
  }

  static KNL_INLINE void ReadAcross(const int8_t* const* p, Ints weights[2]) {
#if KNL_LANES == 16
    const __m256i a = _mm256_loadu_si256((const __m256i*)p[0]);
    const __m256i b = _mm256_loadu_si256((const __m256i*)p[1]);
    weights[0] = (Ints)_mm512_cvtepi8_epi16(_mm256_unpacklo_epi8(a, b));
    weights[1] = (Ints)_mm512_cvtepi8_epi16(_mm256_unpackhi_epi8(a, b));
#elif KNL_LANES == 8
    const __m128i a = _mm_loadu_si128((const __m128i*)p[0]);
    const __m128i b = _mm_loadu_si128((const __m128i*)p[1]);
    weights[0] = (Ints)_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b));
    weights[1] = (Ints)_mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b));
#else
    for (int i = 0; i < 2 * kLanes; ++i) {
      weights[i / kLanes][i % kLanes] = Pair(p[0][i], p[1][i]);
    }
#endif
  }

  static KNL_INLINE Vec Float(Ints sum) { return __builtin_convertvector(sum, Vec); }

  static KNL_INLINE void InOrder(const Ints sums[2], Vec ordered[2]) {
#if KNL_LANES == 16  // the halves of 32 bytes were woven by themselves
    const __m512i low = (__m512i)sums[0], high = (__m512i)sums[1];
    ordered[0] = Float((Ints)_mm512_inserti64x4(low, _mm512_castsi512_si256(high), 1));
    ordered[1] = Float((Ints)_mm512_shuffle_i64x2(low, high, 0xee));
#else
    ordered[0] = Float(sums[0]);
    ordered[1] = Float(sums[1]);
#endif
  }

 private:
  static KNL_INLINE int32_t Pair(int8_t low, int8_t high) {
    return (int32_t)((uint32_t)high << 16 | (low & 0xffffu));
  }
};

// Where the row of x in a room of `stride` floats is whole numbers, what they count in is the
// room's last float.
KNL_INLINE float UnitOf(const float* row, int64_t stride) { return row[stride - 1]; }

// A row of x in its room, as floats.
template <class E>
KNL_INLINE void WidenRow(const typename E::Type* x, int64_t inputs, int64_t stride,
                         float* room) {
  for (int64_t e = 0; e < stride; e += kLanes) {
    Store(room + e, ReadPart<E>(x + Min(e, inputs), inputs - e));
  }
}

// And as whole numbers of 16 bits. A row with NaN or infinity counts in NaN.
template <class E>
KNL_INLINE void RoundRow(const typename E::Type* x, int64_t inputs, int64_t stride,
                         float* room) {
  constexpr float kLargest = 32767.0f;
  Vec highest = {}, strange = {};
  for (int64_t e = 0; e < inputs; e += kLanes) {
    const Vec v = ReadPart<E>(x + e, inputs - e);
    highest = MaxOf(highest, MaxOf(v, -v));
    strange += v - v;
  }
  const float top = HighestOf(highest);
  const float per_unit = top > 1e-30f ? kLargest / top : 0.0f;
  const Vec magic = Splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  uint16_t* numbers = (uint16_t*)room;
  for (int64_t e = 0; e < stride; e += kLanes) {
    const Vec v = ReadPart<E>(x + Min(e, inputs), inputs - e);
    const Bits whole = (Bits)(v * Splat(per_unit) + magic) - (Bits)magic;
    Narrow(numbers + e, whole & 0xffff);
  }
  room[stride - 1] = top / kLargest + SumOf(strange);
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
