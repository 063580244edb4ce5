// dropout.h, a vector of keys at a time.
#pragma once

#include "dropout.h"
#include "pack.h"

namespace knl {
namespace KNL_UNIT {
namespace {

// Halves of the 64-bit products of every lane with `factor`.
KNL_INLINE void MultiplyWide(Bits a, uint32_t factor, Bits* high, Bits* low) {
#if KNL_LANES == 16
  const __m512i m = _mm512_set1_epi32(factor);
  const __m512i even = _mm512_mul_epu32((__m512i)a, m);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), m);
  *high = (Bits)_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xAAAA, odd);
  *low = (Bits)_mm512_mask_mov_epi32(even, 0xAAAA, _mm512_slli_epi64(odd, 32));
#elif KNL_LANES == 8
  const __m256i m = _mm256_set1_epi32(factor);
  const __m256i even = _mm256_mul_epu32((__m256i)a, m);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), m);
  *high = (Bits)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  *low = (Bits)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
#else
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t product = (uint64_t)a[i] * factor;
    (*high)[i] = (uint32_t)(product >> 32);
    (*low)[i] = (uint32_t)product;
  }
#endif
}

// The random bits of two neighbouring queries (2 i and 2 i + 1) and kPanel keys from a
// multiple of kPanel on: the upper halves of words, whose lower halves do not count.
struct DropoutPair {
  Bits bits[2][kPanel / kLanes];

  void Draw(const uint32_t seed[2], int64_t row, int64_t query, int64_t key) {
    constexpr int kParts = 16 / kLanes;  // vectors that make up 16 keys
    for (int part = 0; part < kParts; ++part) {
      Bits x[4] = {(Bits)LaneNumbers() + (uint32_t)(key / 64 * 16 + part * kLanes),
                   Bits{} + (uint32_t)(query / 2), Bits{} + (uint32_t)row, Bits{}};
      uint32_t key0 = seed[0], key1 = seed[1];
#pragma GCC unroll 8
      for (int round = 0; round < philox::kRounds; ++round) {
        Bits high0, low0, high1, low1;
        MultiplyWide(x[0], philox::kMultiplier0, &high0, &low0);
        MultiplyWide(x[2], philox::kMultiplier1, &high1, &low1);
        x[0] = high1 ^ x[1] ^ key0;
        x[1] = low1;
        x[2] = high0 ^ x[3] ^ key1;
        x[3] = low0;
        key0 += philox::kWeyl0;
        key1 += philox::kWeyl1;
      }
      for (int word = 0; word < 4; ++word) {
        Bits* to = bits[word / 2] + word % 2 * 2 * kParts + part;
        to[0] = x[word] << 16;
        to[kParts] = x[word];
      }
    }
  }
};

// The share of weights that is dropped, as a threshold of 16 random bits.
struct DropoutRate {
  uint32_t threshold;  // upper halves below its own drop
  float growth;        // of what stays

  explicit DropoutRate(float rate) {
    const uint32_t dropped = (uint32_t)(rate * 65536.0f + 0.5f);
    threshold = dropped << 16;
    growth = 65536.0f / (65536.0f - (float)dropped);
  }

  KNL_INLINE Vec Keep(Vec v, Bits bits) const {
    return bits >= threshold ? v : Splat(0.0f);
  }
};

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
