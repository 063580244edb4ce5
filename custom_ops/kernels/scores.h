// Which keys a query sees, and what stands between q k and the softmax. All scores here are
// in units of log2: a weight is 2^(score - its row's log2 sum).
#pragma once

#include "attention.h"
#include "dropout_lanes.h"
#include "tasks.h"

namespace knl {
namespace KNL_UNIT {
namespace {

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;
constexpr float kNone = -__builtin_inff();  // the score of a key that is not seen
constexpr int64_t kGroup = kTileRows;       // queries that meet a panel together
constexpr int kPanelVectors = kPanel / kLanes;

// Which keys of a sequence are to be seen by some query at all.
struct KeyMask {
  int64_t length;      // keys before it may be kept; none behind it
  const float* holes;  // [length] 0 or kNone, or null: all kept

  // `room` floats [RoundUp(keys, kPanel)].
  KeyMask(const Attention& a, const Sequence& s, float* room)
      : length(s.keys), holes(nullptr) {
    if (a.keep == nullptr) return;
    const uint8_t* keep = a.keep + s.first_key;
    while (length > 0 && !keep[length - 1]) --length;
    bool whole = true;
    for (int64_t i = 0; i < length; ++i) whole &= keep[i] != 0;
    if (whole) return;
    holes = room;
    for (int64_t i = 0; i < length; ++i) room[i] = keep[i] ? 0.0f : kNone;
    for (int64_t i = length; i < RoundUp(length, kPanel); ++i) room[i] = kNone;
  }
};

// How a tile of queries and keys is to be treated.
enum class Sight { kNothing, kPart, kAll };

// The scores of one head of one sequence.
class Scores {
 public:
  Scores(const Attention& a, const Sequence& s, const KeyMask& mask, int64_t head)
      : a_(a), s_(s), mask_(mask), head_(head), offset_(s.keys - s.queries) {
    if (a.bias != nullptr) {
      const int64_t b = a.bias_batch == 1 ? 0 : s.batch;
      const int64_t h = a.bias_heads == 1 ? 0 : head;
      bias_at_ = (b * a.bias_heads + h) * a.queries * a.keys;
    }
    slope_ = a.slopes == nullptr ? 0.0f : a.slopes[head] * kLog2E;
    // With a factor that is not positive, the highest product is not the highest score.
    shaped_ = a.bias != nullptr || a.slopes != nullptr || a.soft_cap > 0.0f ||
              !(a.scale > 0.0f) || mask.holes != nullptr;
  }

  // What q k is to be multiplied by before Shape: at once, or folded into q.
  static KNL_INLINE float Factor(const Attention& a) {
    return a.soft_cap > 0.0f ? a.scale / a.soft_cap : a.scale * kLog2E;
  }

  // And what is left of the scale for the gradient, where the factor is in q already.
  static KNL_INLINE float GradientFactor(const Attention& a) {
    return a.soft_cap > 0.0f ? a.soft_cap : kLn2;
  }

  // Keys [FirstKey, EndKey) lie in the window of query i and before the padding.
  KNL_INLINE int64_t FirstKey(int64_t i) const {
    return a_.window_left < 0 ? 0 : Max(0, i + offset_ - a_.window_left);
  }
  KNL_INLINE int64_t EndKey(int64_t i) const {
    if (a_.window_right < 0) return mask_.length;
    return Min(mask_.length, i + offset_ + a_.window_right + 1);
  }

  // Of queries [begin, end) and keys [key, key + vectors * kLanes), some behind the last.
  KNL_INLINE Sight Of(int64_t begin, int64_t end, int64_t key, int64_t vectors) const {
    const int64_t key_end = key + vectors * kLanes;
    // Windows only move to the right from query to query.
    if (key >= EndKey(end - 1) || key_end <= FirstKey(begin)) return Sight::kNothing;
    const bool inside = key >= FirstKey(end - 1) && key_end <= EndKey(begin);
    if (a_.query_segments == nullptr) {
      return inside && !shaped_ ? Sight::kAll : Sight::kPart;
    }
    const int32_t* queries = a_.query_segments + s_.first_query;
    const int32_t* keys = a_.key_segments + s_.first_key;
    int32_t low = queries[begin], high = low, key_low = keys[key], key_high = key_low;
    for (int64_t i = begin; i < end; ++i) Spread(queries[i], &low, &high);
    for (int64_t j = key; j < Min(key_end, s_.keys); ++j) {
      Spread(keys[j], &key_low, &key_high);
    }
    if (key_low > high || key_high < low) return Sight::kNothing;
    const bool one = low == high && key_low == key_high;
    return inside && one && !shaped_ ? Sight::kAll : Sight::kPart;
  }

  // How many vectors of keys from `key` on a query before `end` can see: on the diagonal of
  // a causal mask the rest need not be computed.
  KNL_INLINE int64_t Vectors(int64_t end, int64_t key, int64_t vectors) const {
    return Min(vectors, (EndKey(end - 1) - key + kLanes - 1) / kLanes);
  }

  // Turns query i's products with keys from `key` on, times `factor`, into scores, in place.
  // Where `cap_slope` is given, it gets the soft cap's derivative.
  void Shape(int64_t i, int64_t key, int64_t vectors, float factor, float* row,
             float* cap_slope) const {
    const int64_t first = FirstKey(i), end = EndKey(i);
    if (!shaped_ && a_.query_segments == nullptr) {
      for (int64_t n = 0; n < vectors; ++n) {  // window and length alone: the common case
        const Ints number = LaneNumbers() + SplatInt((int32_t)(key + n * kLanes));
        const Ints seen = (number >= (int32_t)first) & (number < (int32_t)end);
        const Vec score = Load(row + n * kLanes) * Splat(factor);
        Store(row + n * kLanes, seen ? score : Splat(kNone));
      }
      return;
    }
    for (int64_t n = 0; n < vectors; ++n) {
      const int64_t at = key + n * kLanes;
      const Ints number = LaneNumbers() + SplatInt((int32_t)at);
      Vec score = Load(row + n * kLanes) * Splat(factor);
      if (a_.soft_cap > 0.0f) {
        const Vec t = Tanh(score);
        if (cap_slope != nullptr) Store(cap_slope + n * kLanes, Splat(1.0f) - t * t);
        score = t * Splat(a_.soft_cap * kLog2E);
      }
      if (a_.bias != nullptr) {
        const float* bias = a_.bias + bias_at_ + i * a_.keys + at;
        score += Limited(ReadPart<Float32>(bias, s_.keys - at)) * Splat(kLog2E);
      }
      if (a_.slopes != nullptr) {
        const Ints away = number - SplatInt((int32_t)(i + offset_));
        const Vec distance = __builtin_convertvector(away, Vec);
        score -= MaxOf(distance, -distance) * Splat(slope_);
      }
      Ints seen = (number >= (int32_t)first) & (number < (int32_t)end);
      if (mask_.holes != nullptr) seen &= Load(mask_.holes + at) == Splat(0.0f);
      if (a_.query_segments != nullptr) {
        const int32_t* keys = a_.key_segments + s_.first_key + at;
        const Ints segment = (Ints)ReadPart<Float32>((const float*)keys, s_.keys - at);
        seen &= segment == a_.query_segments[s_.first_query + i];
      }
      Store(row + n * kLanes, seen ? score : Splat(kNone));
    }
  }

  KNL_INLINE int64_t bias_row(int64_t i) const { return bias_at_ + i * a_.keys; }
  KNL_INLINE int64_t dropout_row() const { return s_.batch * a_.heads + head_; }

 private:
  // Finite numbers to at most kMostBias in size.
  static KNL_INLINE Vec Limited(Vec bias) {
    const Vec limited =
        -MaxOf(Splat(-kMostBias), -MaxOf(Splat(-kMostBias), bias));
    return bias == Splat(kNone) ? bias : limited;
  }

  static KNL_INLINE void Spread(int32_t x, int32_t* low, int32_t* high) {
    *low = x < *low ? x : *low;
    *high = x > *high ? x : *high;
  }

  const Attention& a_;
  const Sequence& s_;
  const KeyMask& mask_;
  const int64_t head_;
  const int64_t offset_;  // of a query's position to its number
  int64_t bias_at_ = 0;
  float slope_;
  bool shaped_;
};

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
