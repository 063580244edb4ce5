// What references share: the arrays' types and dropout's random numbers, element by element.
// Nothing here is shared with the kernels.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "call.h"

namespace knl {
namespace reference {

// ---- Element types ----

inline size_t SizeOf(Element element) { return element == Element::kFloat32 ? 4 : 2; }

inline float Read(Element element, const void* array, int64_t index) {
  if (element == Element::kFloat32) return static_cast<const float*>(array)[index];
  const uint16_t bits = static_cast<const uint16_t*>(array)[index];
  if (element == Element::kBFloat16) {
    const uint32_t wide = uint32_t{bits} << 16;
    float x;
    std::memcpy(&x, &wide, sizeof(x));
    return x;
  }
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float size = std::ldexp(1024.0f + fraction, exponent - 25);
  if (exponent == 0) size = std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31) size = fraction == 0 ? INFINITY : NAN;
  return bits >> 15 ? -size : size;
}

// Rounds to nearest, to even on a tie.
inline void Write(Element element, float x, void* array, int64_t index) {
  if (element == Element::kFloat32) {
    static_cast<float*>(array)[index] = x;
    return;
  }
  uint32_t wide;
  std::memcpy(&wide, &x, sizeof(x));
  uint32_t bits;
  if (element == Element::kBFloat16) {
    bits = x != x ? 0x7fc0 : (wide + 0x7fff + (wide >> 16 & 1)) >> 16;
  } else if (x != x) {
    bits = 0x7e00;
  } else {
    const float size = std::fabs(x);
    bits = 0x7c00;  // infinity
    if (size < 65520.0f) {
      const int exponent = size < 0x1p-14f ? -14 : std::ilogb(size);
      bits = (exponent + 14) * 1024 + std::lrint(std::ldexp(size, 10 - exponent));
    }
    bits |= wide >> 31 << 15;
  }
  static_cast<uint16_t*>(array)[index] = static_cast<uint16_t>(bits);
}

// What is left of x in an array; of a double, all.
template <class Real>
Real Rounded(Element element, Real x) {
  if (std::is_same<Real, double>::value || element == Element::kFloat32) return x;
  uint16_t stored;
  Write(element, static_cast<float>(x), &stored, 0);
  return Read(element, &stored, 0);
}

template <class Real>
std::vector<Real> ReadAll(Element element, const void* array, int64_t size) {
  std::vector<Real> all(size);
  for (int64_t i = 0; i < size; ++i) all[i] = Read(element, array, i);
  return all;
}

// ---- Dropout ----

// Philox4x32-7: turns the counter x into four random words.
inline void Philox(uint32_t x[4], uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 7; ++round) {
    const uint64_t first = uint64_t{0xD2511F53} * x[0], second = uint64_t{0xCD9E8D57} * x[2];
    x[0] = static_cast<uint32_t>(second >> 32) ^ x[1] ^ key0;
    x[1] = static_cast<uint32_t>(second);
    x[2] = static_cast<uint32_t>(first >> 32) ^ x[3] ^ key1;
    x[3] = static_cast<uint32_t>(first);
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

inline int DropThreshold(float dropout) { return std::lround(dropout * 65536.0); }

// The 16 random bits that dropout.h tells of.
inline int DropoutBits(const uint32_t seed[2], int64_t row, int64_t query, int64_t key) {
  uint32_t x[4] = {static_cast<uint32_t>(key / 64 * 16 + key % 16),
                   static_cast<uint32_t>(query / 2), static_cast<uint32_t>(row), 0};
  Philox(x, seed[0], seed[1]);
  const uint32_t word = x[2 * (query % 2) + key / 32 % 2];
  return key / 16 % 2 == 0 ? word & 0xffff : word >> 16;
}

}  // namespace reference
}  // namespace knl
