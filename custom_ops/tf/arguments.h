// The inputs of both attention ops, as every binding receives them: checked, and turned
// into the kernel's `Attention`. Knows no framework, so that all refuse in the same words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention.h"

namespace knl {

// An input or output. While a graph is built, data and sizes may not be known yet.
struct Array {
  const void* data = nullptr;  // null: not known
  bool ranked = false;
  std::vector<int64_t> sizes;  // -1: not known
};

// The ops' attributes.
struct Options {
  float scale = 1.0f;
  float soft_cap = 0.0f;
  float dropout = 0.0f;
  int64_t window_left = -1;
  int64_t window_right = -1;
  // How many tensors each optional input holds.
  int64_t n_splits = 0, n_keep = 0, n_segments = 0, n_bias = 0, n_slopes = 0, n_seed = 0;
};

// Where the inputs stand, in the ops' order: q, k, v, the lists, and with a gradient four
// more: out, lse, dout, dlse.
struct Places {
  explicit Places(const Options& options);
  int64_t splits, keep, segments, bias, slopes, seed, gradient;
};

// Empty if all is well, and then `attention` is filled but for its element; or one sentence
// that says what was wanted and what came. Sizes that are not known are not judged.
std::string ReadArguments(const Options& options, const std::vector<Array>& inputs,
                          Attention* attention);

// A pointer for an array without elements: null would say that the array is not there.
inline void* Present(const void* data) {
  static const char nothing = 0;
  return const_cast<void*>(data != nullptr ? data : &nothing);
}

}  // namespace knl
