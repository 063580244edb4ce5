// The code of every instruction set, as the files that cut work into tasks call it: plain
// data, so that nothing compiled for one set is shared with another.
#pragma once

#include <cstddef>
#include <cstdint>

#include "add_norm.h"
#include "bias_gelu.h"
#include "cached_attention_tasks.h"
#include "few_rows_tasks.h"
#include "tasks.h"

namespace knl {

constexpr int64_t kColumnStep = 16;

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

  // Rows [begin, end), of which `begin` is even. To `columns` they add their share of the
  // sums over all rows: dgamma, dbeta and dbias, or dbias alone; null where none is wanted.
  // Each takes the width, rounded up to kColumnStep, so that whole vectors fit.
  void (*add_norm)(const AddNorm&, const AddNormArrays&, int64_t begin, int64_t end);
  void (*add_norm_gradient)(const AddNorm&, const AddNormGradient&, int64_t begin,
                            int64_t end, float* columns);
  void (*bias_gelu)(const BiasGelu&, const BiasGeluArrays&, int64_t begin, int64_t end);
  void (*bias_gelu_gradient)(const BiasGelu&, const BiasGeluGradient&, int64_t begin,
                             int64_t end, float* columns);

  // few_rows.h. Makes of some rows of x what meets the weights, each filled up with zeros.
  void (*few_rows_widen)(const FewRows&, const FewRowsArrays&, const WideRows&, float* wide);
  // The task's sums; and y from the sums of so many parts, one after the other.
  void (*few_rows_columns)(const FewRows&, const FewRowsArrays&, const WideRows&,
                           const FewRowsTask&);
  void (*few_rows_finish)(const FewRows&, const FewRowsArrays&, const WideRows&,
                          const FewRowsTask&, int64_t parts);
  // Outputs [begin, end) of y, where W is transposed.
  void (*few_rows_table)(const FewRows&, const FewRowsArrays&, const WideRows&, int64_t begin,
                         int64_t end);

  // cached_attention.h. Writes a row's new keys and values into the cache.
  void (*cached_write)(const CachedAttention&, const CachedAttentionArrays&, int64_t row);
  // To `partial`, or if that is null, to the output.
  void (*cached_attend)(const CachedAttention&, const CachedAttentionArrays&,
                        const CachedAttentionTask&, const PartialSoftmax* partial);
  // The output, of so many partial ones that lie one after the other.
  void (*cached_merge)(const CachedAttention&, const CachedAttentionArrays&,
                       const CachedAttentionTask&, PartialSoftmax first, int64_t parts);
};

// Units by the type of their arrays; null where a unit has none of its own.
struct Units {
  const Unit *float32, *bfloat16, *float16;
};
Units PortableUnits();
Units Avx2Units();
Units Avx512Units();
Units Avx512BFloat16Units();

// The one that runs here: see InstructionSet.
const Unit& UnitFor(Element element);

}  // namespace knl
