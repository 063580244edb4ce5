// The inputs of both attention ops, as every binding receives them: checked, and turned
// into the kernel's `Attention`. Knows no framework, so that all refuse in the same words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "tf/array.h"

namespace knl {

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

// The same of arrays on a GPU, in which nothing is read: splits are not checked, and the seed,
// null if there is none, stays where it is.
std::string ReadDeviceArguments(const Options& options, const std::vector<Array>& inputs,
                                Attention* attention, const uint32_t** seed);

}  // namespace knl
