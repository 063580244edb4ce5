// Writes new keys and values into a cache, and lets new queries attend to it: the step of a
// decoder that has one token, or a few, to add to each row.
//
// Letters: R rows, T new tokens, S columns of the cache, H heads, G key/value heads (G
// divides H; query head h reads key/value head h / (H / G)), D width of a head.
//
//   q, out  [R, T, H, D]
//   k, v    [R, T, G, D]      go to columns [index, index + T) of the cache
//   cache   [R, 2, S, G, D]   keys, then values; may be of another type
//
// Query i stands at column index + i and sees the columns from where its row starts up to its
// own. With ancestors, rows are beams of an item, `beams` of them one after the other, and a
// column before `index` is read from the row of the item's beam that they name. All arrays
// are dense and row-major; none may overlap another.
//
// A score is made in this order: scale * q k, soft cap, ALiBi, masks. Sums run in float. A
// query that sees nothing gives zeros. Columns that nobody sees are not read into sums,
// whatever is there. Results do not depend on the number of workers. Where there are few rows
// and heads, the columns of each are shared among workers, too.
#pragma once

#include <cstdint>

#include "call.h"

namespace knl {

// What to compute. Null pointers and defaults switch an option off.
struct CachedAttention {
  Element element = Element::kFloat32;        // of q, k, v and out
  Element cache_element = Element::kFloat32;  // of the cache
  int64_t rows = 0;                           // R
  int64_t queries = 0;                        // T
  int64_t columns = 0;                        // S
  int64_t heads = 0;                          // H
  int64_t kv_heads = 0;                       // G
  int64_t width = 0;                          // D, 1 to kMaxWidth of attention.h
  int64_t index = 0;

  const int32_t* starts = nullptr;     // [R]
  const int32_t* ancestors = nullptr;  // [R, S]  0 to beams - 1; others count as the nearest
  int64_t beams = 1;                   // divides R

  float scale = 1.0f;
  float soft_cap = 0.0f;          // c: score = c tanh(score / c); 0 for none
  int64_t window = -1;            // columns seen before a query's own; -1 for all
  const float* slopes = nullptr;  // [H]  ALiBi: subtracts slope * distance
};

// Shapes and options, before anything is allocated. Does not read arrays.
Problem CheckCachedAttention(const CachedAttention& a);

Problem CachedAttentionForward(const CachedAttention& a, const void* q, const void* k,
                               const void* v, void* cache, void* out, Workers& workers);

}  // namespace knl
