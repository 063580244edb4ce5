// out = softmax(scale * q k^T + bias) v, and its gradient, without ever storing the
// queries x keys scores.
//
// Letters: B batch, T queries, S keys, H heads, G key/value heads (G divides H; query
// head h reads key/value head h / (H / G)), D width of a head.
//
//   q, out, dq, dout   [B, T, H, D]
//   k, v, dk, dv       [B, S, G, D]
//   lse, dlse          [B, T, H]     float
//
// or packed, every sequence after the other and no padding between: q [total, H, D],
// k and v [total keys, G, D], lse [total, H]. All arrays are dense and row-major; they are
// read in place, and no output may overlap an input.
//
// A score is made in this order: scale * q k, soft cap, bias, ALiBi, masks. Query i stands
// at position i + S - T, so that the last query sees the last key (bottom-right aligned).
// A query that sees no key gives zeros, lse -infinity and zero gradients, never NaN.
//
// Sums run in float. With bfloat16 arrays, the weights of the softmax and the gradients of
// the scores may be rounded to bfloat16 before they meet v, k and q. Results do not depend
// on the number of workers, and dropout drops the same elements on every instruction set.
//
// Memory: scratch of about 2 S D floats a worker forward and 5 S D backward, never of T x S.
// Where a backward is split over the keys of its heads, since these are few, as many floats
// as q has elements for each part more.
#pragma once

#include <cstdint>

#include "call.h"

namespace knl {

// What to compute. Null pointers and defaults switch an option off.
struct Attention {
  Element element = Element::kFloat32;  // of q, k, v, out and their gradients
  int64_t batch = 0;                    // B, or the number of packed sequences
  int64_t queries = 0;                  // T, or all packed queries
  int64_t keys = 0;                     // S, or all packed keys
  int64_t heads = 0;                    // H
  int64_t kv_heads = 0;                 // G
  int64_t width = 0;                    // D, 1 to kMaxWidth

  float scale = 1.0f;
  float soft_cap = 0.0f;  // c: score = c tanh(score / c); 0 for none

  // Keys at positions [p - window_left, p + window_right] are seen from position p;
  // -1 leaves a side open. Causal: window_right = 0.
  int64_t window_left = -1;
  int64_t window_right = -1;

  const int64_t* query_splits = nullptr;  // [B + 1], from 0 to `queries`, rising
  const int64_t* key_splits = nullptr;    // [B + 1]; both or none; without keep,
                                          // segments and bias

  const uint8_t* keep = nullptr;            // [B, S]  1 token, 0 padding
  const int32_t* query_segments = nullptr;  // [B, T]  a query sees keys of its own
  const int32_t* key_segments = nullptr;    // [B, S]  segment only; both or none

  // [bias_batch, bias_heads, T, S]. -infinity hides a key; a finite number counts as at most
  // kMostBias in size: in a row of nothing but -1e9, as masks are often made, a float could
  // not tell the log-sum-exp from the bias.
  const float* bias = nullptr;
  int64_t bias_batch = 1;       // 1 or B
  int64_t bias_heads = 1;       // 1 or H

  const float* slopes = nullptr;  // [H]  ALiBi: subtracts slope * |position - key|

  // Share of weights dropped, 0 to 0.9999, in steps of 2^-16; the rest grow to make up for
  // them. Which: see dropout.h; batch, query and key count within a packed sequence.
  float dropout = 0.0f;
  uint32_t seed[2] = {0, 0};
};

constexpr int64_t kMaxWidth = 256;
constexpr float kMostBias = 1e4f;

// Shapes and options, before anything is allocated. Of arrays, splits alone are read, and not
// those that lie on another device.
Problem CheckAttention(const Attention& attention, bool splits_are_here = true);

Problem AttentionForward(const Attention& attention, const void* q, const void* k,
                         const void* v, void* out, float* lse, Workers& workers);

// `dlse` may be null (nobody used lse); `dbias`, float in the shape of bias, may be null.
Problem AttentionBackward(const Attention& attention, const void* q, const void* k,
                          const void* v, const void* out, const float* lse,
                          const void* dout, const float* dlse, void* dq, void* dk,
                          void* dv, float* dbias, Workers& workers);

}  // namespace knl
