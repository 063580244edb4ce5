// Random cases of attention, and how results are judged: for whatever computes attention.
//
// A case is made again from the same sizes, options and seed, which its name tells.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "attention.h"
#include "attention_reference.h"
#include "testing.h"

namespace knl {
namespace {

using reference::KeyRows;
using reference::QueryRows;

// ---- Cases ----

enum Option : unsigned {
  kCausal = 1 << 0, kWindowLeft = 1 << 1, kWindowRight = 1 << 2, kKeep = 1 << 3,
  kSegments = 1 << 4, kBias = 1 << 5, kSplits = 1 << 6, kSlopes = 1 << 7,
  kSoftCap = 1 << 8, kScale = 1 << 9, kDropout = 1 << 10, kLseGradient = 1 << 11,
  kNoBiasGradient = 1 << 12, kHugeScores = 1 << 13,
};
constexpr int kOptions = 14;
const char* const kOptionNames[kOptions] = {
    "causal", "window_left", "window_right", "keep", "segments", "bias", "splits",
    "slopes", "soft_cap", "scale", "dropout", "dlse", "no_dbias", "huge"};

struct Sizes {
  int64_t B, T, S, H, G, D;
};

struct Case {
  std::string name;
  Attention a;
  Array q, k, v, dout, dlse, query_splits, key_splits, keep, query_segments, key_segments;
  Array bias, slopes;
  bool wants_dbias;
};

inline Array Splits(int64_t batch, int64_t total, Random& random) {
  Array array((batch + 1) * 8);
  int64_t* splits = array.data<int64_t>();
  splits[0] = 0;
  for (int64_t b = 1; b < batch; ++b) {
    splits[b] = random.Chance(0.3) ? random.Of({int64_t{0}, total}) : random.Below(total + 1);
  }
  splits[batch] = total;
  std::sort(splits, splits + batch);
  return array;
}

inline Array Segments(int64_t batch, int64_t size, bool sorted, Random& random) {
  Array array(batch * size * 4);
  for (int64_t b = 0; b < batch; ++b) {
    int32_t* row = array.data<int32_t>() + b * size;
    for (int64_t i = 0; i < size; ++i) row[i] = random.Of({INT32_MIN, -7, 0, 3, INT32_MAX});
    if (sorted) std::sort(row, row + size);
  }
  return array;
}

inline Array Keep(int64_t batch, int64_t keys, Random& random) {
  Array array(batch * keys);
  for (int64_t b = 0; b < batch; ++b) {
    const int kind = random.Below(4);  // padding alone, behind or before tokens, or holes
    const int64_t cut = random.Below(keys + 1);
    for (int64_t j = 0; j < keys; ++j) {
      array.data<uint8_t>()[b * keys + j] =
          kind == 0 ? 0 : kind == 1 ? j < cut : kind == 2 ? j >= cut : random.Chance(0.6);
    }
  }
  return array;
}

inline Array Bias(const Attention& a, Random& random) {
  const int64_t rows = a.bias_batch * a.bias_heads * a.queries;
  Array array = Normals(Element::kFloat32, rows * a.keys, 1.0f, random);
  for (int64_t row = 0; row < rows; ++row) {
    const double masked = random.Chance(0.1) ? 1.0 : random.Of({0.0, 0.2});
    for (int64_t j = 0; j < a.keys; ++j) {
      if (random.Chance(masked)) array.data<float>()[row * a.keys + j] = -INFINITY;
    }
  }
  return array;
}

inline std::string Describe(const Case& c, unsigned options, uint32_t seed) {
  const Attention& a = c.a;
  char text[256];
  std::snprintf(text, sizeof(text), "%s B=%d T=%d S=%d H=%d G=%d D=%d seed=%u",
                kElementNames[static_cast<int>(a.element)], (int)a.batch, (int)a.queries,
                (int)a.keys, (int)a.heads, (int)a.kv_heads, (int)a.width, seed);
  std::string name = text;
  for (int i = 0; i < kOptions; ++i) {
    if (options >> i & 1) name += std::string(" ") + kOptionNames[i];
  }
  return name;
}

inline Case MakeCase(const Sizes& n, Element element, unsigned options, uint32_t seed) {
  Random random(seed);
  Case c;
  Attention& a = c.a;
  a.element = element;
  a.batch = n.B, a.queries = n.T, a.keys = n.S, a.heads = n.H, a.kv_heads = n.G, a.width = n.D;
  if (options & kSplits) {
    options &= ~(kKeep | kSegments | kBias);
    if (a.batch == 0) a.queries = a.keys = 0;
    c.query_splits = Splits(a.batch, a.queries, random);
    c.key_splits = Splits(a.batch, a.keys, random);
    a.query_splits = c.query_splits.data<int64_t>();
    a.key_splits = c.key_splits.data<int64_t>();
  }
  c.name = Describe(c, options, seed);
  const int64_t kSides[] = {0, 1, 7, 63, 100, int64_t{1} << 40};
  if (options & kWindowLeft) a.window_left = random.Of(kSides);
  if (options & kWindowRight) a.window_right = random.Of(kSides);
  if (options & kCausal) a.window_right = 0;
  if (options & kKeep) {
    c.keep = Keep(a.batch, a.keys, random);
    a.keep = c.keep.data<uint8_t>();
  }
  if (options & kSegments) {
    const bool sorted = random.Chance(0.5);
    c.query_segments = Segments(a.batch, a.queries, sorted, random);
    c.key_segments = Segments(a.batch, a.keys, sorted, random);
    a.query_segments = c.query_segments.data<int32_t>();
    a.key_segments = c.key_segments.data<int32_t>();
    if (a.query_segments == nullptr || a.key_segments == nullptr) {
      a.query_segments = a.key_segments = nullptr;  // one side is empty: both or none
    }
  }
  if (options & kBias) {
    a.bias_batch = random.Chance(0.5) ? 1 : a.batch;
    a.bias_heads = random.Chance(0.5) ? 1 : a.heads;
    c.bias = Bias(a, random);
    a.bias = c.bias.data<float>();
  }
  if (options & kSlopes) {
    c.slopes = Normals(Element::kFloat32, a.heads, 0.3f, random);
    a.slopes = c.slopes.data<float>();
  }
  a.scale = 1 / std::sqrt(static_cast<float>(a.width));
  if (options & kScale) a.scale *= random.Of({-0.7f, 0.0f, 2.5f});
  if (options & kSoftCap) a.soft_cap = random.Of({0.5f, 5.0f, 50.0f});
  if (options & kDropout) {
    a.dropout = random.Of({0.1f, 0.5f, 0.9f});
    a.seed[0] = random.Below(int64_t{1} << 32);
    a.seed[1] = random.Below(int64_t{1} << 32);
  }
  const int64_t q_size = QueryRows(a) * a.heads * a.width;
  const int64_t k_size = KeyRows(a) * a.kv_heads * a.width;
  const float deviation = options & kHugeScores ? 60.0f : 1.0f;  // scores up to 1e4
  c.q = Normals(element, q_size, deviation, random);
  c.k = Normals(element, k_size, deviation, random);
  c.v = Normals(element, k_size, 1.0f, random);
  c.dout = Normals(element, q_size, 1.0f, random);
  if (options & kLseGradient) {
    c.dlse = Normals(Element::kFloat32, QueryRows(a) * a.heads, 1.0f, random);
  }
  c.wants_dbias = a.bias != nullptr && !(options & kNoBiasGradient);
  return c;
}

// ---- Results ----

struct Outputs {
  Problem problem = nullptr;
  Array out, lse, dq, dk, dv, dbias;

  bool operator==(const Outputs& o) const {
    return out == o.out && lse == o.lse && dq == o.dq && dk == o.dk && dv == o.dv &&
           dbias == o.dbias;
  }
};

// Arrays for what `c` gives, NaN as yet.
inline Outputs OutputsOf(const Case& c) {
  const Attention& a = c.a;
  const size_t element = reference::SizeOf(a.element);
  Outputs o;
  o.out = o.dq = Array(QueryRows(a) * a.heads * a.width * element);
  o.dk = o.dv = Array(KeyRows(a) * a.kv_heads * a.width * element);
  o.lse = Array(QueryRows(a) * a.heads * 4);
  if (c.wants_dbias) o.dbias = Array(a.bias_batch * a.bias_heads * a.queries * a.keys * 4);
  return o;
}

// One of the ways in which a case was computed.
struct Way {
  std::string name;            // "on avx2"
  double rounding = 0x1p-24;   // relative error of what is multiplied
};

// Computes a case in every way there is and shows each one's results.
using Show = std::function<void(const Way& way, const Outputs& outputs)>;
using Compute = std::function<void(const Case& c, const Show& show)>;

inline void Compare(const Case& c, const Way& way, const Outputs& o,
                    const reference::Result<double>& truth,
                    const reference::Result<float>& plain) {
  const Attention& a = c.a;
  const std::string where = c.name + " " + way.name;
  // By what elements may be off that happen to come out exact in the plain formula: one
  // rounding of their type, and the error of weights, which relatively is the absolute one
  // of scores.
  const double score = 3 * way.rounding * (1 + truth.score_size);
  const double share = score + std::max(way.rounding, kRoundings[static_cast<int>(a.element)]);
  const double scale = std::fabs(a.scale), growth = 1 / (1 - a.dropout);
  const double difference = truth.gradient_size;
  const double least = a.element == Element::kFloat16 ? 0x1p-23 : 1e-37;  // subnormal
  const double q = Largest(a.element, c.q, truth.out.size());
  const double k = Largest(a.element, c.k, truth.dk.size());
  const double v = Largest(a.element, c.v, truth.dv.size());
  const double dout = Largest(a.element, c.dout, truth.out.size());

  const auto anything = [](int64_t) { return false; };
  const auto row_is_blind = [&](int64_t i) { return truth.lse[i / a.width] == -INFINITY; };
  const auto key_is_unseen = [&](int64_t i) { return !truth.seen[i / a.width]; };
  CompareArray(where, "out", a.element, o.out, truth.out, plain.out,
               share * growth * v + least, row_is_blind);
  CompareArray(where, "lse", Element::kFloat32, o.lse, truth.lse, plain.lse, score, anything);
  CompareArray(where, "dq", a.element, o.dq, truth.dq, plain.dq,
               share * difference * scale * k + least, row_is_blind);
  CompareArray(where, "dk", a.element, o.dk, truth.dk, plain.dk,
               share * difference * scale * q + least, key_is_unseen);
  CompareArray(where, "dv", a.element, o.dv, truth.dv, plain.dv,
               share * growth * dout + least, key_is_unseen);
  if (!c.wants_dbias) return;
  CompareArray(where, "dbias", Element::kFloat32, o.dbias, truth.dbias, plain.dbias,
               share * difference + least,
               [&](int64_t i) { return c.bias.data<float>()[i] == -INFINITY; });
}

inline void Check(const Case& c, const Compute& compute) {
  const auto truth = reference::PlainAttention<double>(
      c.a, c.q.data(), c.k.data(), c.v.data(), c.dout.data(), c.dlse.data<float>());
  const auto plain = reference::PlainAttention<float>(
      c.a, c.q.data(), c.k.data(), c.v.data(), c.dout.data(), c.dlse.data<float>());
  compute(c, [&](const Way& way, const Outputs& o) { Compare(c, way, o, truth, plain); });
}

}  // namespace
}  // namespace knl
