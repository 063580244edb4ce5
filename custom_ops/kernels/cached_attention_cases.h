// Random cases of attention to a cache, how results are judged, and groups of cases: for
// whatever computes it.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "cached_attention.h"
#include "reference.h"
#include "testing.h"

namespace knl {
namespace {
namespace cached {


enum Option : unsigned {
  kStarts = 1 << 0, kAncestors = 1 << 1, kWindow = 1 << 2, kSoftCap = 1 << 3, kSlopes = 1 << 4,
};
constexpr unsigned kAll = (1 << 5) - 1;

struct Case {
  std::string name;
  CachedAttention a;
  Array q, k, v, cache, starts, ancestors, slopes;
  int64_t q_size() const { return a.rows * a.queries * a.heads * a.width; }
  int64_t cache_size() const { return 2 * a.rows * a.columns * a.kv_heads * a.width; }
};

struct Sizes {
  int64_t rows, queries, index, columns, heads, kv_heads, width;
};

// Columns that no query sees hold NaN.
inline Case MakeCase(const Sizes& s, Element element, Element cache_element, unsigned options,
                     uint32_t seed) {
  Random random(seed);
  Case c;
  CachedAttention& a = c.a;
  a.element = element, a.cache_element = cache_element;
  a.rows = s.rows, a.queries = s.queries, a.columns = s.columns, a.index = s.index;
  a.heads = s.heads, a.kv_heads = s.kv_heads, a.width = s.width;
  a.scale = 1 / std::sqrt(static_cast<float>(a.width));
  const int64_t kv_size = a.rows * a.queries * a.kv_heads * a.width;
  c.q = Normals(element, c.q_size(), 1.0f, random);
  c.k = Normals(element, kv_size, 1.0f, random);
  c.v = Normals(element, kv_size, 1.0f, random);
  c.cache = Normals(cache_element, c.cache_size(), 1.0f, random);
  if (options & kStarts) {
    c.starts = Array(a.rows * 4);
    for (int64_t row = 0; row < a.rows; ++row) {
      c.starts.data<int32_t>()[row] = random.Below(a.index + a.queries + 2);
    }
  }
  if (options & kAncestors) {
    a.beams = a.rows % 3 == 0 ? 3 : a.rows % 2 == 0 ? 2 : 1;
    c.ancestors = Array(a.rows * a.columns * 4);
    for (int64_t i = 0; i < a.rows * a.columns; ++i) {
      c.ancestors.data<int32_t>()[i] = random.Below(a.beams);
    }
  }
  if (options & kWindow) a.window = random.Below(a.index + 3);
  if (options & kSoftCap) a.soft_cap = 1.5f;
  if (options & kSlopes) {
    c.slopes = Array(a.heads * 4);
    for (int64_t h = 0; h < a.heads; ++h) c.slopes.data<float>()[h] = std::exp2(-1.0f - h);
  }
  // Behind the new tokens nobody looks.
  for (int64_t i = 0; i < c.cache_size(); ++i) {
    const int64_t column = i / (a.kv_heads * a.width) % a.columns;
    if (column >= a.index) reference::Write(cache_element, NAN, c.cache.data(), i);
  }
  a.starts = c.starts.data<int32_t>(), a.ancestors = c.ancestors.data<int32_t>();
  a.slopes = c.slopes.data<float>();
  c.name = std::string(kElementNames[static_cast<int>(element)]) + " to " +
           kElementNames[static_cast<int>(cache_element)];
  for (int64_t n : {s.rows, s.queries, s.index, s.columns, s.heads, s.kv_heads, s.width}) {
    c.name += " " + std::to_string(n);
  }
  c.name += " options=" + std::to_string(options) + " seed=" + std::to_string(seed);
  return c;
}

// ---- The formula ----

// The cache with the new tokens.
inline Array NewCache(const Case& c) {
  const CachedAttention& a = c.a;
  const int64_t column = a.kv_heads * a.width, size = a.queries * column;
  Array cache = c.cache;
  for (int64_t row = 0; row < a.rows; ++row) {
    for (int64_t which = 0; which < 2; ++which) {
      for (int64_t i = 0; i < size; ++i) {
        const float x =
            reference::Read(a.element, (which == 0 ? c.k : c.v).data(), row * size + i);
        reference::Write(a.cache_element, x, cache.data(),
                         ((row * 2 + which) * a.columns + a.index) * column + i);
      }
    }
  }
  return cache;
}

template <class Real>
std::vector<Real> Formula(const Case& c, const Array& cache) {
  const CachedAttention& a = c.a;
  std::vector<Real> out;
  for (int64_t row = 0; row < a.rows; ++row) {
    for (int64_t t = 0; t < a.queries; ++t) {
      for (int64_t h = 0; h < a.heads; ++h) {
        const int64_t own = a.index + t, group = h / (a.heads / a.kv_heads);
        int64_t begin = a.starts == nullptr ? 0 : std::max(0, a.starts[row]);
        if (a.window >= 0) begin = std::max(begin, own - a.window);
        const auto at = [&](int64_t j, int64_t which, int64_t d) -> Real {
          int64_t from = row;
          if (a.ancestors != nullptr && j < a.index) {
            from = row / a.beams * a.beams + a.ancestors[row * a.columns + j];
          }
          const int64_t column = (from * 2 + which) * a.columns + j;
          return reference::Read(a.cache_element, cache.data(),
                                 (column * a.kv_heads + group) * a.width + d);
        };
        std::vector<Real> scores, sums(a.width);
        Real top = -INFINITY, total = 0;
        for (int64_t j = begin; j <= own; ++j) {
          Real score = 0;
          for (int64_t d = 0; d < a.width; ++d) {
            const int64_t i = ((row * a.queries + t) * a.heads + h) * a.width + d;
            score += reference::Read(a.element, c.q.data(), i) * at(j, 0, d);
          }
          score *= a.scale;
          if (a.soft_cap > 0) score = a.soft_cap * std::tanh(score / a.soft_cap);
          if (a.slopes != nullptr) score -= a.slopes[h] * (own - j);
          scores.push_back(score);
          top = std::max(top, score);
        }
        for (int64_t j = begin; j <= own; ++j) {
          const Real weight = std::exp(scores[j - begin] - top);
          total += weight;
          for (int64_t d = 0; d < a.width; ++d) sums[d] += weight * at(j, 1, d);
        }
        for (int64_t d = 0; d < a.width; ++d) {
          out.push_back(reference::Rounded<Real>(a.element, total > 0 ? sums[d] / total : 0));
        }
      }
    }
  }
  return out;
}

// ---- Results ----

struct Outputs {
  Array out, cache;
  bool operator==(const Outputs& o) const { return out == o.out && cache == o.cache; }
};

// Computes a case in every way there is; shows each one's name and results.
using Show = std::function<void(const std::string& way, const Outputs& outputs)>;
using Compute = std::function<void(const Case& c, const Show& show)>;

inline void Check(const Case& c, const Compute& compute) {
  const CachedAttention& a = c.a;
  const Array cache = NewCache(c);
  const auto truth = Formula<double>(c, cache);
  const auto plain = Formula<float>(c, cache);
  const double floor = 8 * (0x1p-22 + kRoundings[static_cast<int>(a.element)]);
  const auto unseen = [&](int64_t i) {
    const int64_t row = i / (a.queries * a.heads * a.width);
    const int64_t t = i / (a.heads * a.width) % a.queries;
    return a.starts != nullptr && a.starts[row] > a.index + t;
  };
  compute(c, [&](const std::string& way, const Outputs& o) {
    const std::string where = c.name + " " + way;
    CompareArray(where, "out", a.element, o.out, truth, plain, floor, unseen);
    for (int64_t i = 0; i < c.cache_size(); ++i) {
      const float got = reference::Read(a.cache_element, o.cache.data(), i);
      const float wanted = reference::Read(a.cache_element, cache.data(), i);
      if (!(got == wanted || (got != got && wanted != wanted))) {
        Fail("%s: cache[%d] is %g instead of %g", where.c_str(), (int)i, got, wanted);
        break;
      }
    }
  });
}

// ---- Groups of checks ----

using Numbers = std::vector<int64_t>;

inline Numbers UpTo(int64_t first, int64_t last, int64_t step = 1) {
  Numbers numbers;
  for (int64_t n = first; n <= last; n += step) numbers.push_back(n);
  return numbers;
}

inline int EveryWidth(const Compute& compute, const Numbers& widths) {
  int cases = 0;
  for (int64_t width : widths) {
    for (int64_t shared = 1; shared <= 3; ++shared) {
      Random random(cases);
      const Sizes sizes = {1 + random.Below(9), 1, random.Below(70), 71, 2 * shared, 2, width};
      Check(MakeCase(sizes, kElements[cases % 3], random.Of(kElements),
                     random.Below(kAll + 1), cases),
            compute);
      ++cases;
    }
  }
  for (int64_t width : {80, 96, 128, 255, 256}) {
    Check(MakeCase({3, 2, 66, 68, 5, 5, width}, kElements[cases % 3], kElements[cases % 3], 0,
                   cases),
          compute);
    ++cases;
  }
  return cases;
}

inline int EveryNumberOfColumns(const Compute& compute, const Numbers& indices) {
  int cases = 0;
  for (int64_t index : indices) {
    Random random(cases);
    const int64_t queries = 1 + (cases % 4 == 0 ? random.Below(5) : 0);
    const Sizes sizes = {6, queries, index, index + queries + random.Below(3), 3, 1, 11};
    Check(MakeCase(sizes, kElements[cases % 3], kElements[cases % 3], random.Below(kAll + 1),
                   cases),
          compute);
    ++cases;
  }
  return cases;
}

inline int EveryMixOfOptions(const Compute& compute, unsigned step) {
  int cases = 0;
  for (unsigned options = 0; options <= kAll; options += step) {
    for (Element element : kElements) {
      for (Element cache : kElements) {
        Check(MakeCase({6, 3, 90, 100, 4, 2, 24}, element, cache, options, ++cases), compute);
      }
    }
  }
  return cases;
}

// So few rows and heads that columns are shared among workers.
inline int SharedColumns(const Compute& compute, const Numbers& indices) {
  int cases = 0;
  for (int64_t index : indices) {
    for (int64_t rows : {1, 2, 6}) {
      for (unsigned options : {0u, 1u * kStarts, 1u * kWindow, kAll}) {
        const int64_t kv_heads = 1 + cases % 2;
        Check(MakeCase({rows, 1 + cases % 3, index, index + 7, 2 * kv_heads, kv_heads, 64},
                       kElements[cases % 3], kElements[cases / 3 % 3], options, cases),
              compute);
        ++cases;
      }
    }
  }
  return cases;
}

inline int ManyQueries(const Compute& compute, const Numbers& all_queries) {
  int cases = 0;
  for (int64_t queries : all_queries) {
    for (int64_t heads : {2, 6}) {
      Check(MakeCase({3, queries, 5, queries + 5, heads, 2, 16}, kElements[cases % 3],
                     kElements[cases % 3], cases % 2 ? kAll : 0, cases),
            compute);
      ++cases;
    }
  }
  return cases;
}

// A query of NaN makes its own row NaN, and no other.
inline int NansStay(const Compute& compute) {
  int cases = 0;
  for (Element element : kElements) {
    for (int64_t index : {3, 100, 2000}) {
      Case c = MakeCase({2, 1, index, index + 1, 4, 2, 64}, element, element, 0, ++cases);
      const int64_t row = c.a.heads * c.a.width;
      reference::Write(element, NAN, c.q.data(), 0);
      compute(c, [&](const std::string& way, const Outputs& o) {
        for (int64_t i = 0; i < 2 * row; ++i) {
          const float got = reference::Read(element, o.out.data(), i);
          if ((got != got) != (i < c.a.width)) {
            Fail("%s %s: out[%d] is %g", c.name.c_str(), way.c_str(), (int)i, got);
            break;
          }
        }
      });
    }
  }
  return cases;
}

// Scores so far apart that a softmax which forgot its highest would overflow.
inline int ScoresFarApart(const Compute& compute) {
  int cases = 0;
  for (int64_t index : {100, 700}) {
    Case c = MakeCase({2, 1, index, index + 1, 2, 2, 32}, Element::kFloat32, Element::kFloat32,
                      0, ++cases);
    c.a.scale = 40;
    Check(c, compute);
  }
  return cases;
}

}  // namespace cached
}  // namespace
}  // namespace knl
