// What attention.cc hands to the code of an instruction set.
#pragma once

#include <cstdint>

#include "attention.h"

namespace knl {

constexpr int64_t kQueryBlock = 96;  // queries that pass over the keys together

// One sequence of the batch, and where it lies in the arrays.
struct Sequence {
  int64_t batch;
  int64_t first_query, queries;  // rows of q
  int64_t first_key, keys;       // rows of k
};

static inline Sequence SequenceOf(const Attention& a, int64_t batch) {
  if (a.query_splits == nullptr) {
    return {batch, batch * a.queries, a.queries, batch * a.keys, a.keys};
  }
  const int64_t query = a.query_splits[batch], key = a.key_splits[batch];
  return {batch, query, a.query_splits[batch + 1] - query, key,
          a.key_splits[batch + 1] - key};
}

// Blocks [first_block, end_block) of all queries that read one key/value head of one
// sequence, counted query head by query head.
struct ForwardTask {
  int64_t batch, kv_head;
  int64_t first_block, end_block;
};

struct ForwardArrays {
  const void *q, *k, *v;
  void* out;
  float* lse;
};

// Keys [first_key, end_key) of the heads that a gradient sums over: sequences
// [batch, end_batch) and key/value heads [kv_head, end_kv_head).
struct BackwardTask {
  int64_t batch, end_batch;
  int64_t kv_head, end_kv_head;
  int64_t first_key, end_key;
  float* dq;  // [queries, heads, D]: this part's share; null: all of it, to the array
};

struct BackwardArrays {
  const void *q, *k, *v, *out, *dout;
  const float *lse, *dlse;
  void *dq, *dk, *dv;
  float* dbias;
};

}  // namespace knl
