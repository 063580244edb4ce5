// What attention.cc hands to the unit of an instruction set: plain data, so that nothing
// compiled for one set is shared with another.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attention.h"

namespace knl {

constexpr int64_t kQueryBlock = 96;  // queries that pass over the keys together

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

// The code for one instruction set and one element type.
struct Unit {
  const char* name;
  // Scratch of one worker: for sequences of at most so many keys; for tasks of at most so
  // many, of sequences of at most all_keys.
  size_t (*forward_bytes)(const Attention&, int64_t keys);
  // `next`: what the worker will likely do afterwards, to fetch its memory; may be null.
  void (*forward)(const Attention&, const ForwardArrays&, const ForwardTask&,
                  const ForwardTask* next, void* scratch);
  size_t (*backward_bytes)(const Attention&, int64_t keys, int64_t all_keys);
  void (*backward)(const Attention&, const BackwardArrays&, const BackwardTask&,
                   const BackwardTask* next, void* scratch);
  // to[i] = the sum of from[part][i] over parts, for i in [begin, end).
  void (*sum)(const float* from, int64_t parts, int64_t size, int64_t begin, int64_t end,
              void* to);
};

// Units by the type of their arrays; null where a unit has none of its own.
struct Units {
  const Unit *float32, *bfloat16, *float16;
};
Units PortableUnits();
Units Avx2Units();
Units Avx512Units();
Units Avx512BFloat16Units();

}  // namespace knl
