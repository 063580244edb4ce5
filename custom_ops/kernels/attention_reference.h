// Attention by its plain formula, for tests: every score of a query is made and stored as
// attention.h says, with no thought of speed. In double it is the truth. In float, and with
// weights and results rounded to the arrays' type, it is the usual way to compute
// attention, whose error a kernel's is measured against.
//
// Nothing here is shared with the kernels, their arithmetic of bfloat16, float16 and random
// numbers included.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "attention.h"
#include "reference.h"

namespace knl {
namespace reference {

// ---- Dropout ----

inline bool Dropped(const Attention& a, int64_t batch, int64_t head, int64_t query,
                    int64_t key) {
  return DropoutBits(a.seed, batch * a.heads + head, query, key) < DropThreshold(a.dropout);
}

// ---- Attention ----

// One sequence of the batch, and the rows where it begins.
struct Sequence {
  int64_t batch, queries, keys, first_query, first_key;

  Sequence(const Attention& a, int64_t b)
      : batch(b), queries(a.queries), keys(a.keys), first_query(b * queries),
        first_key(b * keys) {
    if (a.query_splits == nullptr) return;
    first_query = a.query_splits[b];
    first_key = a.key_splits[b];
    queries = a.query_splits[b + 1] - first_query;
    keys = a.key_splits[b + 1] - first_key;
  }
  int64_t Position(int64_t query) const { return query + keys - queries; }
};

inline int64_t QueryRows(const Attention& a) {
  return a.query_splits != nullptr ? a.queries : a.batch * a.queries;
}

inline int64_t KeyRows(const Attention& a) {
  return a.key_splits != nullptr ? a.keys : a.batch * a.keys;
}

inline int64_t BiasAt(const Attention& a, int64_t batch, int64_t head, int64_t query,
                      int64_t key) {
  const int64_t b = a.bias_batch == 1 ? 0 : batch, h = a.bias_heads == 1 ? 0 : head;
  return ((b * a.bias_heads + h) * a.queries + query) * a.keys + key;
}

inline bool Sees(const Attention& a, const Sequence& s, int64_t query, int64_t key) {
  const int64_t position = s.Position(query);
  if (a.window_left >= 0 && key < position - a.window_left) return false;
  if (a.window_right >= 0 && key > position + a.window_right) return false;
  if (a.keep != nullptr && !a.keep[s.first_key + key]) return false;
  return a.query_segments == nullptr ||
         a.query_segments[s.first_query + query] == a.key_segments[s.first_key + key];
}

template <class Real>
struct Score {
  Real value;      // -infinity for a key that is not seen
  Real slope = 1;  // by which value grows with the product before the soft cap
  Real size = 0;   // of the numbers that it was summed from: its rounding grows with it

  Score(const Attention& a, const Sequence& s, int64_t head, int64_t query, int64_t key,
        const Real* q, const Real* k) {
    Real product = 0, squares = 0;
    for (int64_t d = 0; d < a.width; ++d) {
      product += q[d] * k[d];
      squares += q[d] * k[d] * q[d] * k[d];
    }
    value = a.scale * product;
    if (a.soft_cap > 0) {
      const Real t = std::tanh(value / a.soft_cap);
      value = a.soft_cap * t;
      slope = 1 - t * t;
    }
    size = std::max(std::fabs(value), slope * std::fabs(a.scale) * std::sqrt(squares));
    if (a.bias != nullptr) {
      value += a.bias[BiasAt(a, s.batch, head, query, key)];
      size = std::max(size, std::fabs(value));
    }
    if (a.slopes != nullptr) {
      value -= a.slopes[head] * static_cast<Real>(std::llabs(s.Position(query) - key));
      size = std::max(size, std::fabs(value));
    }
    if (!Sees(a, s, query, key)) value = -std::numeric_limits<Real>::infinity();
  }
};

template <class Real>
struct Result {
  std::vector<Real> out, lse, dq, dk, dv, dbias;
  std::vector<char> seen;  // [keys, G] whether a query gives weight to it, dropped or not
  // The largest, over all queries, of what the rounding of weights and of score gradients
  // grows with: the scores that weigh, and the two sums that a gradient is a difference of.
  Real score_size = 0, gradient_size = 0;
};

template <class Real>
Real Dot(const Real* x, const Real* y, int64_t width) {
  Real sum = 0;
  for (int64_t d = 0; d < width; ++d) sum += x[d] * y[d];
  return sum;
}

template <class Real>
Real AbsoluteDot(const Real* x, const Real* y, int64_t width) {
  Real sum = 0;
  for (int64_t d = 0; d < width; ++d) sum += std::fabs(x[d] * y[d]);
  return sum;
}

template <class Real>
void AddTo(Real* sum, Real factor, const Real* x, int64_t width) {
  for (int64_t d = 0; d < width; ++d) sum[d] += factor * x[d];
}

// Forward and backward. `dlse` may be null; dbias is made where there is a bias.
template <class Real>
Result<Real> PlainAttention(const Attention& a, const void* q_array, const void* k_array,
                            const void* v_array, const void* dout_array, const float* dlse) {
  constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
  const int64_t D = a.width, H = a.heads, G = a.kv_heads;
  const int64_t q_size = QueryRows(a) * H * D, k_size = KeyRows(a) * G * D;
  const auto q = ReadAll<Real>(a.element, q_array, q_size);
  const auto k = ReadAll<Real>(a.element, k_array, k_size);
  const auto v = ReadAll<Real>(a.element, v_array, k_size);
  const auto dout = ReadAll<Real>(a.element, dout_array, q_size);
  const Real growth = 65536 / static_cast<Real>(65536 - DropThreshold(a.dropout));

  Result<Real> r;
  r.out.resize(q_size);
  r.lse.resize(QueryRows(a) * H);
  r.dq.resize(q_size);
  r.dk.resize(k_size);
  r.dv.resize(k_size);
  r.seen.resize(k_size / D);
  if (a.bias != nullptr) r.dbias.resize(a.bias_batch * a.bias_heads * a.queries * a.keys);

  for (int64_t b = 0; b < a.batch; ++b) {
    const Sequence s(a, b);
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t i = 0; i < s.queries; ++i) {
        const int64_t row = (s.first_query + i) * H + h;
        const auto key_at = [&](int64_t j) { return ((s.first_key + j) * G + h / (H / G)) * D; };
        const Real* q_i = q.data() + row * D;
        const Real* dout_i = dout.data() + row * D;

        std::vector<Score<Real>> scores;  // [keys]
        Real top = -kInfinity;
        for (int64_t j = 0; j < s.keys; ++j) {
          scores.emplace_back(a, s, h, i, j, q_i, k.data() + key_at(j));
          top = std::max(top, scores[j].value);
        }
        r.lse[row] = -kInfinity;
        if (top == -kInfinity) continue;  // no key: zeros
        Real sum = 0;
        for (const auto& score : scores) sum += std::exp(score.value - top);
        r.lse[row] = top + std::log(sum);

        // Forward.
        std::vector<Real> kept(s.keys);  // 0 where dropout drops, else how the rest grow
        Real* out_i = r.out.data() + row * D;
        for (int64_t j = 0; j < s.keys; ++j) {
          kept[j] = DropThreshold(a.dropout) > 0 && Dropped(a, b, h, i, j) ? 0 : growth;
          const Real p = kept[j] * std::exp(scores[j].value - top) / sum;
          AddTo(out_i, Rounded(a.element, p), v.data() + key_at(j), D);
        }
        for (int64_t d = 0; d < D; ++d) out_i[d] = Rounded(a.element, out_i[d]);

        // Backward, from out and lse.
        const Real row_dlse = dlse == nullptr ? 0 : dlse[row];
        const Real delta = Dot(dout_i, out_i, D) - row_dlse;
        const Real delta_size = AbsoluteDot(dout_i, out_i, D) + std::fabs(row_dlse);
        Real score_size = std::fabs(r.lse[row]);
        for (int64_t j = 0; j < s.keys; ++j) {
          const Real p = std::exp(scores[j].value - r.lse[row]);
          if (p == 0) continue;
          r.seen[key_at(j) / D] = true;
          const Real* k_j = k.data() + key_at(j);
          const Real* v_j = v.data() + key_at(j);
          const Real dp = kept[j] * Dot(dout_i, v_j, D);
          const Real dscore = p * (dp - delta);
          if (a.bias != nullptr) r.dbias[BiasAt(a, b, h, i, j)] += dscore;
          const Real dproduct = a.scale * Rounded(a.element, scores[j].slope * dscore);
          AddTo(r.dq.data() + row * D, dproduct, k_j, D);
          AddTo(r.dk.data() + key_at(j), dproduct, q_i, D);
          AddTo(r.dv.data() + key_at(j), Rounded(a.element, kept[j] * p), dout_i, D);
          score_size += p * scores[j].size;
          const Real dp_size = kept[j] * AbsoluteDot(dout_i, v_j, D);
          r.gradient_size = std::max(r.gradient_size, p * (dp_size + delta_size));
        }
        r.score_size = std::max(r.score_size, score_size);
      }
    }
  }
  for (auto* array : {&r.dq, &r.dk, &r.dv}) {
    for (Real& x : *array) x = Rounded(a.element, x);
  }
  return r;
}

}  // namespace reference
}  // namespace knl
