// What cached_attention.cc hands to the code of an instruction set.
#pragma once

#include <cstdint>

#include "cached_attention.h"

namespace knl {

constexpr int64_t kLines = 8;  // queries of a key/value head that pass over the keys together

struct CachedAttentionArrays {
  const void *q, *k, *v;
  void *cache, *out;
};

// Some of the queries that read one key/value head of a row, and the columns that they see
// between two limits. Queries of a head are counted token by token, head by head.
struct CachedAttentionTask {
  int64_t row, kv_head;
  int64_t first_line, lines;  // at most kLines
  int64_t first_column, end_column;
};

// The softmax of a task's columns, to be put together with that of others.
struct PartialSoftmax {
  float* out;  // [lines][width, rounded up to kColumnStep]: weights times values
  float* sum;  // [lines]: of the weights
  float* top;  // [lines]: log2 of what all weights are relative to; -infinity: sees nothing
};

}  // namespace knl
