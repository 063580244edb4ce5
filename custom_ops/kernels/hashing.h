// Hashes of bytes and integers, for tables that are looked up and not for secrets. They are
// part of models that are stored: with another hash these need other magic numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace knl {

inline uint64_t Mix(uint64_t x) {
  x *= 0x9e3779b97f4a7c15;
  return x ^ (x >> 32);
}

inline uint64_t Hash(const void* data, size_t size) {
  const char* bytes = static_cast<const char*>(data);
  uint64_t hash = size;
  while (size > 0) {
    uint64_t word = 0;
    const size_t some = std::min(size, sizeof word);
    std::memcpy(&word, bytes, some);
    hash = Mix(hash ^ word);
    bytes += some, size -= some;
  }
  return hash;
}

}  // namespace knl
