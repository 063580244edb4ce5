// cached_attention.h on vectors, a task at a time: panel by panel of columns, a softmax that
// goes on from one to the next.
#pragma once

#include "cached_attention_tasks.h"
#include "scores.h"
#include "units.h"

namespace knl {
namespace KNL_UNIT {
namespace {

constexpr int kColumns = 64;  // of a panel
constexpr int kValues = 4;    // vectors of values that are summed up together

// Where the columns of a panel lie for one row and key/value head.
template <class C>
struct Panel {
  using Type = typename C::Type;
  int64_t first, count;
  const Type* keys[kColumns];

  Panel() : first(0), count(0) {}
  Panel(const CachedAttention& a, const void* cache, const CachedAttentionTask& t, int64_t first,
        int64_t end)
      : first(first), count(Min(kColumns, end - first)) {
    const int64_t column = a.kv_heads * a.width, row = 2 * a.columns * column;
    const Type* head = (const Type*)cache + t.kv_head * a.width;
    const int64_t item = t.row / a.beams * a.beams;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t j = first + i;
      int64_t from = t.row;
      if (a.ancestors != nullptr && j < a.index) {
        from = item + Max(0, Min(a.ancestors[t.row * a.columns + j], a.beams - 1));
      }
      keys[i] = head + from * row + j * column;
    }
  }
};

template <class Type>
KNL_INLINE void AskForHead(const Type* head, int64_t width) {
  for (int64_t at = 0; at < width * (int64_t)sizeof(Type); at += 64) {
    __builtin_prefetch((const char*)head + at);
  }
}

// What a line, a query of one head, is and sees.
struct Line {
  int64_t begin, end;  // columns
  float position, slope;

  Line(const CachedAttention& a, const CachedAttentionTask& t, int64_t i) {
    const int64_t shared = a.heads / a.kv_heads, line = t.first_line + i;
    const int64_t column = a.index + line / shared;
    begin = Max(t.first_column, a.starts == nullptr ? 0 : a.starts[t.row]);
    if (a.window >= 0) begin = Max(begin, column - a.window);
    end = Min(t.end_column, column + 1);
    position = (float)column;
    slope = a.slopes == nullptr ? 0.0f : a.slopes[t.kv_head * shared + line % shared];
  }
};

// Products of a query with kLanes keys.
template <class C>
KNL_INLINE Vec Products(const float* q, const typename C::Type* const* keys, int64_t width) {
  Vec total[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) total[i] = Vec{};
  int64_t d = 0;
  for (; d + kLanes <= width; d += kLanes) {
    const Vec each = Load(q + d);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) total[i] += each * C::Read(keys[i] + d);
  }
  if (d < width) {
    const Vec each = Load(q + d);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) total[i] += each * ReadPart<C>(keys[i] + d, width - d);
  }
  return SumsOf(total);
}

// log2 of the weights of a panel's columns for one line, but for what all have in common:
// -infinity where a column is not seen. Returns the highest.
template <class C>
KNL_INLINE float ScoresOf(const CachedAttention& a, const Line& line, const float* q,
                          const Panel<C>& panel, float* scores) {
  const Vec cap = Splat(a.soft_cap), inverse = Splat(a.soft_cap > 0 ? 1 / a.soft_cap : 0.0f);
  Vec highest = Splat(kNone);
  for (int64_t i = 0; i < panel.count; i += kLanes) {
    const typename C::Type* keys[kLanes];
    for (int n = 0; n < kLanes; ++n) keys[n] = panel.keys[Min(i + n, panel.count - 1)];
    Vec score = Products<C>(q, keys, a.width);
    const Ints column = LaneNumbers() + SplatInt((int32_t)(panel.first + i));
    if (a.soft_cap > 0) score = cap * Tanh(score * inverse);
    if (a.slopes != nullptr) {
      const Vec distance = Splat(line.position) - __builtin_convertvector(column, Vec);
      score -= Splat(line.slope) * distance;
    }
    const Ints seen = (column >= SplatInt((int32_t)line.begin)) &
                      (column < SplatInt((int32_t)line.end));
    score = seen ? score * Splat(kLog2E) : Splat(kNone);
    highest = MaxOf(highest, score);
    Store(scores + i, score);
  }
  return HighestOf(highest);
}

// out[0, kVectors vectors) += weights times values of columns [begin, end) of the panel; of
// the last vector, `count` numbers are in a value.
template <class C, int kVectors>
KNL_INLINE void AddValues(const Panel<C>& panel, int64_t to_values, int64_t begin, int64_t end,
                          const float* weights, int64_t count, float* out) {
  Vec total[kVectors];
#pragma GCC unroll 4
  for (int n = 0; n < kVectors; ++n) total[n] = Load(out + n * kLanes);
  for (int64_t i = begin; i < end; ++i) {
    const typename C::Type* value = panel.keys[i] + to_values;
    const Vec weight = Splat(weights[i]);
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) {
      total[n] += weight * (kVectors == 1 ? ReadPart<C>(value, count) : C::Read(value + n * kLanes));
    }
  }
#pragma GCC unroll 4
  for (int n = 0; n < kVectors; ++n) Store(out + n * kLanes, total[n]);
}

// Goes on with a line's softmax.
template <class C>
KNL_INLINE void AddPanel(const CachedAttention& a, const Line& line, const Panel<C>& panel,
                         float highest, float* weights, float* out, float* sum, float* top) {
  const int64_t width = a.width, padded = RoundUp(width, kLanes);
  if (highest > *top) {
    const float factor = *top == kNone ? 0.0f : exp2f(*top - highest);
    for (int64_t d = 0; d < padded; d += kLanes) Store(out + d, Load(out + d) * Splat(factor));
    *sum *= factor;
    *top = highest;
  }
  Vec total = {};
  for (int64_t i = 0; i < panel.count; i += kLanes) {
    const Vec weight = Exp2(Load(weights + i) - Splat(*top));
    Store(weights + i, weight);
    total += weight;  // 0 behind the last column, which nobody sees
  }
  *sum += SumOf(total);
  const int64_t begin = Max(0, line.begin - panel.first);
  const int64_t end = Min(panel.count, line.end - panel.first);
  const int64_t values = a.columns * a.kv_heads * width;  // from a key to its value
  int64_t d = 0;
  for (; d + kValues * kLanes <= width; d += kValues * kLanes) {
    AddValues<C, kValues>(panel, values + d, begin, end, weights, kLanes, out + d);
  }
  for (; d < width; d += kLanes) {
    AddValues<C, 1>(panel, values + d, begin, end, weights, width - d, out + d);
  }
}

// q [lines][stride], times the scale, to the softmax of the task's columns.
template <class C>
void AttendLines(const CachedAttention& a, const void* cache, const CachedAttentionTask& t,
                 const float* q, int64_t stride, PartialSoftmax softmax) {
  int64_t first = t.end_column, end = t.first_column;  // of what any line sees
  for (int64_t i = 0; i < t.lines; ++i) {
    const Line line(a, t, i);
    first = Min(first, line.begin);
    end = Max(end, line.end);
    for (int64_t d = 0; d < stride; d += kLanes) Store(softmax.out + i * stride + d, Vec{});
    softmax.sum[i] = 0.0f;
    softmax.top[i] = kNone;
  }
  const int64_t values = a.columns * a.kv_heads * a.width;
  float scores[kLines][kColumns];
  float highest[kLines];
  Panel<C> panel, next;
  if (first < end) next = Panel<C>(a, cache, t, first, end);
  while (first < end) {
    panel = next;
    first += panel.count;
    for (int64_t i = 0; i < panel.count; ++i) AskForHead(panel.keys[i] + values, a.width);
    for (int64_t i = 0; i < t.lines; ++i) {
      highest[i] = ScoresOf(a, Line(a, t, i), q + i * stride, panel, scores[i]);
    }
    if (first < end) {
      next = Panel<C>(a, cache, t, first, end);
      for (int64_t i = 0; i < next.count; ++i) AskForHead(next.keys[i], a.width);
    }
    for (int64_t i = 0; i < t.lines; ++i) {
      if (highest[i] == kNone) {
        // It sees nothing here, or what is no number: that must not get lost.
        Vec total = {};
        for (int64_t j = 0; j < panel.count; j += kLanes) total += Load(scores[i] + j);
        if (const float sum = SumOf(total); sum != sum) softmax.sum[i] = sum;
        continue;
      }
      AddPanel(a, Line(a, t, i), panel, highest[i], scores[i], softmax.out + i * stride,
               softmax.sum + i, softmax.top + i);
    }
  }
}

// Writes a line's output.
template <class E>
KNL_INLINE void WriteLine(const CachedAttention& a, const CachedAttentionArrays& arrays,
                          const CachedAttentionTask& t, int64_t i, const float* out, float sum) {
  const int64_t shared = a.heads / a.kv_heads, line = t.first_line + i;
  const int64_t token = t.row * a.queries + line / shared;
  const int64_t head = token * a.heads + t.kv_head * shared + line % shared;
  WriteRow<E>(out, sum == 0.0f ? 0.0f : 1 / sum, a.width,
              (typename E::Type*)arrays.out + head * a.width);
}

// ---- The unit's functions ----

template <class E, class C>
KNL_INLINE void CopyAs(const typename E::Type* from, int64_t count, typename C::Type* to) {
  for (int64_t i = 0; i < count; i += kLanes) {
    WritePart<C>(to + i, ReadPart<E>(from + i, count - i), count - i);
  }
}

template <class E, class C>
void WriteNew(const CachedAttention& a, const CachedAttentionArrays& arrays, int64_t row) {
  const int64_t column = a.kv_heads * a.width, new_size = a.queries * column;
  const void* const from[] = {arrays.k, arrays.v};
  for (int i = 0; i < 2; ++i) {
    typename C::Type* to = (typename C::Type*)arrays.cache +
                           ((row * 2 + i) * a.columns + a.index) * column;
    CopyAs<E, C>((const typename E::Type*)from[i] + row * new_size, new_size, to);
  }
}

template <class E>
void CachedWrite(const CachedAttention& a, const CachedAttentionArrays& arrays, int64_t row) {
  switch (a.cache_element) {
    case Element::kFloat32: return WriteNew<E, Float32>(a, arrays, row);
    case Element::kBFloat16: return WriteNew<E, BFloat16>(a, arrays, row);
    case Element::kFloat16: return WriteNew<E, Float16>(a, arrays, row);
  }
}

template <class E>
void CachedAttend(const CachedAttention& a, const CachedAttentionArrays& arrays,
                  const CachedAttentionTask& t, const PartialSoftmax* partial) {
  using Type = typename E::Type;
  float q[kLines * kMaxWidth], out[kLines * kMaxWidth], sum[kLines], top[kLines];
  const PartialSoftmax here = {out, sum, top};
  const PartialSoftmax softmax = partial == nullptr ? here : *partial;
  const int64_t stride = RoundUp(a.width, kColumnStep), shared = a.heads / a.kv_heads;
  for (int64_t i = 0; i < t.lines; ++i) {
    const int64_t line = t.first_line + i, token = t.row * a.queries + line / shared;
    const Type* from = (const Type*)arrays.q +
                       (token * a.heads + t.kv_head * shared + line % shared) * a.width;
    for (int64_t d = 0; d < a.width; d += kLanes) {
      Store(q + i * stride + d, ReadPart<E>(from + d, a.width - d) * Splat(a.scale));
    }
  }
  switch (a.cache_element) {
    case Element::kFloat32: AttendLines<Float32>(a, arrays.cache, t, q, stride, softmax); break;
    case Element::kBFloat16: AttendLines<BFloat16>(a, arrays.cache, t, q, stride, softmax); break;
    case Element::kFloat16: AttendLines<Float16>(a, arrays.cache, t, q, stride, softmax); break;
  }
  if (partial != nullptr) return;
  for (int64_t i = 0; i < t.lines; ++i) {
    WriteLine<E>(a, arrays, t, i, out + i * stride, sum[i]);
  }
}

template <class E>
void CachedMerge(const CachedAttention& a, const CachedAttentionArrays& arrays,
                 const CachedAttentionTask& t, PartialSoftmax first, int64_t parts) {
  const int64_t stride = RoundUp(a.width, kColumnStep), part = kLines * (stride + 2);
  for (int64_t i = 0; i < t.lines; ++i) {
    float top = kNone, sum = 0.0f;
    for (int64_t p = 0; p < parts; ++p) {
      if (first.top[p * part + i] > top) top = first.top[p * part + i];
    }
    float out[kMaxWidth] = {};
    for (int64_t p = 0; p < parts; ++p) {
      if (first.sum[p * part + i] == 0.0f) continue;
      const float factor = exp2f(first.top[p * part + i] - top);
      sum += first.sum[p * part + i] * factor;
      const float* from = first.out + p * part + i * stride;
      for (int64_t d = 0; d < stride; d += kLanes) {
        Store(out + d, Load(out + d) + Load(from + d) * Splat(factor));
      }
    }
    WriteLine<E>(a, arrays, t, i, out, sum);
  }
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
