// One forward task: a softmax that goes on from panel to panel of keys ("online").
#pragma once

#include "room.h"
#include "scores.h"
#include "tasks.h"

namespace knl {
namespace KNL_UNIT {
namespace {

template <class Format>
struct ForwardRoom {
  Room room;
  float *k, *v, *holes;       // all keys of a head
  float *q, *out, *sum, *top; // a block of queries
  float *scores, *weights;    // a group of queries and a panel of keys

  ForwardRoom(const Attention& a, int64_t keys, void* memory) : room(memory) {
    const int64_t padded = RoundUp(keys, kPanel), width = RoundUp(a.width, kLanes);
    k = room.Floats(padded * Format::PanelWords(a.width));
    v = room.Floats(padded / Format::kPair * width);
    holes = room.Floats(padded);
    q = room.Floats(kQueryBlock * Format::RowWords(a.width));
    out = room.Floats(kQueryBlock * width);
    sum = room.Floats(kQueryBlock * kLanes);
    top = room.Floats(kQueryBlock);
    scores = room.Floats(kGroup * kPanel);
    weights = room.Floats(kGroup * kPanel);
  }
};

template <class Format>
size_t ForwardBytes(const Attention& a, int64_t keys) {
  return ForwardRoom<Format>(a, keys, nullptr).room.used();
}

// How far, in log2, a score may pass its row's reference before the row is scaled anew:
// weights stay below 2^8, which costs no precision and saves passes over the output.
constexpr float kSlack = 8.0f;

// Moves a row's reference up to `top`.
static void Rescale(float top, float* reference, float* sum, float* out, int64_t width) {
  if (*reference != kNone) {
    const Vec factor = Splat(exp2f(*reference - top));
    Store(sum, Load(sum) * factor);
    for (int64_t d = 0; d < width; d += kLanes) Store(out + d, Load(out + d) * factor);
  }
  *reference = top;
}

// The running softmax of one query: what Exp2 is relative to, and the sum of weights so far,
// lane by lane.
struct RunningRow {
  float* reference;
  float* sum;
  float* out;
};

// Turns a row's scores, times a positive factor, into weights and adds them to its sum; out
// is scaled anew where the reference moves. Of kCount vectors, those from `vectors` on weigh
// nothing.
template <int kCount, bool kFactor>
KNL_INLINE void Weigh(const float* scores, int64_t vectors, float factor, RunningRow row,
                      int64_t width, Vec* weights) {
  Vec highest = Splat(kNone);
#pragma GCC unroll 16
  for (int n = 0; n < kCount; ++n) {
    weights[n] = n < vectors ? Load(scores + n * kLanes) : Splat(kNone);
    highest = MaxOf(highest, weights[n]);
  }
  if (kFactor) highest *= Splat(factor);
  if (__builtin_expect(AnyAbove(highest, *row.reference + kSlack), 0)) {
    Rescale(HighestOf(highest), row.reference, row.sum, row.out, width);
  }
  const Vec reference = Splat(*row.reference == kNone ? 0.0f : *row.reference);
  Vec sum[2] = {Load(row.sum), {}};
#pragma GCC unroll 16
  for (int n = 0; n < kCount; ++n) {
    weights[n] = Exp2(kFactor ? weights[n] * Splat(factor) - reference
                              : weights[n] - reference);
    sum[n % 2] += weights[n];
  }
  Store(row.sum, sum[0] + sum[1]);
}

// One query's weights with a panel of keys, dropped and put where the product with v reads
// them. `bits` is null without dropout.
template <class Format, int kCount>
KNL_INLINE void WeighRow(const float* scores, int64_t vectors, float factor, RunningRow row,
                         int64_t width, const DropoutRate& rate, const Bits* bits,
                         float* weights) {
  Vec x[kCount];
  Weigh<kCount, !Format::kFoldsScale>(scores, vectors, factor, row, width, x);
  if (bits != nullptr) {
#pragma GCC unroll 16
    for (int n = 0; n < kCount; ++n) x[n] = rate.Keep(x[n], bits[n]);
  }
#pragma GCC unroll 16
  for (int n = 0; n < kCount; ++n) Format::StoreAlongKeys(x[n], n * kLanes, weights);
}

template <class Format>
void Forward(const Attention& a, const ForwardArrays& arrays, const ForwardTask& task,
             const ForwardTask* next, void* scratch) {
  using E = typename Format::Element;
  using Type = typename E::Type;
  using Words = typename Format::Words;
  constexpr int kPair = Format::kPair;

  const Sequence s = SequenceOf(a, task.batch);
  ForwardRoom<Format> room(a, s.keys, scratch);
  const KeyMask mask(a, s, room.holes);
  const int64_t width = RoundUp(a.width, kLanes), vectors = width / kLanes;
  const int64_t words = Format::WidthWords(a.width);
  const int64_t row_words = Format::RowWords(a.width);
  const int64_t panel_words = Format::PanelWords(a.width) * kPanel;
  const float factor = Scores::Factor(a);
  const float left_over = Format::kFoldsScale ? 1.0f : factor;
  const DropoutRate rate(a.dropout);
  const bool drops = rate.threshold > 0;

  const int64_t blocks = (s.queries + kQueryBlock - 1) / kQueryBlock;
  const int64_t shared = a.heads / a.kv_heads;  // query heads of a key/value head
  const auto keys_of = [&](const void* array, const Sequence& of, int64_t kv_head) {
    return TokensOf<E>(array, of.first_key, of.keys, a.kv_heads, kv_head, a.width);
  };
  const Tokens<E> keys = keys_of(arrays.k, s, task.kv_head);
  const Tokens<E> values = keys_of(arrays.v, s, task.kv_head);
  Ahead<E> ahead;
  if (next != nullptr) {
    const Sequence then = SequenceOf(a, next->batch);
    if (next->batch != task.batch || next->kv_head != task.kv_head) {
      ahead.Add(keys_of(arrays.k, then, next->kv_head));
      ahead.Add(keys_of(arrays.v, then, next->kv_head));
    }
    const int64_t of_head = Max(1, (then.queries + kQueryBlock - 1) / kQueryBlock);
    const int64_t first = next->first_block % of_head * kQueryBlock;
    ahead.Add(TokensOf<E>(arrays.q, then.first_query + first,
                          Min(kQueryBlock, then.queries - first), a.heads,
                          next->kv_head * shared + next->first_block / of_head, a.width));
    const int64_t groups = (Min(kQueryBlock, s.queries) + kGroup - 1) / kGroup;
    ahead.SpreadOver((task.end_block - task.first_block) * ((s.keys + kPanel - 1) / kPanel) *
                     groups);
  }
  int64_t packed_begin = 0, packed_end = 0;  // panels

  for (int64_t unit = task.first_block; unit < task.end_block; ++unit) {
    const int64_t head = task.kv_head * shared + unit / blocks;
    const int64_t first = unit % blocks * kQueryBlock;
    const int64_t count = Min(kQueryBlock, s.queries - first);
    const Scores scores(a, s, mask, head);
    const int64_t begin = scores.FirstKey(first) / kPanel;
    const int64_t end = Max(begin, (scores.EndKey(first + count - 1) + kPanel - 1) / kPanel);

    // Panels are packed when a block first meets them; blocks move to the right, and
    // start over with the next head.
    if (begin < packed_begin || begin > packed_end) packed_begin = packed_end = begin;
    for (; packed_end < end; ++packed_end) {
      const int64_t key = packed_end * kPanel, key_end = Min(key + kPanel, s.keys);
      Format::Across(keys.Slice(key, key_end), room.k + packed_end * panel_words);
      Format::Along(values.Slice(key, key_end), RoundUp(key_end - key, kLanes),
                    room.v + key / kPair * width);
    }

    const int64_t row = s.first_query + first;
    const Tokens<E> queries =
        TokensOf<E>(arrays.q, row, count, a.heads, head, a.width);
    const Tokens<E> outs = TokensOf<E>(arrays.out, row, count, a.heads, head, a.width);
    outs.PrefetchToWrite();
    Format::Rows(queries, count, factor, room.q);
    // Where all of the block see the first panel, its product is the first that out holds.
    const auto panel_vectors_of = [&](int64_t panel) {
      return RoundUp(Min(kPanel, s.keys - panel * kPanel), kLanes) / kLanes;
    };
    const bool covered = begin < end && scores.Of(first, first + count, begin * kPanel,
                                                  panel_vectors_of(begin)) == Sight::kAll;
    if (!covered) memset(room.out, 0, count * width * sizeof(float));
    memset(room.sum, 0, count * kLanes * sizeof(float));
    for (int64_t i = 0; i < count; ++i) room.top[i] = kNone;

    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t key = panel * kPanel;
      const int64_t panel_vectors = panel_vectors_of(panel);
      const bool all = scores.Of(first, first + count, key, panel_vectors) == Sight::kAll;
      for (int64_t group = 0; group < count; group += kGroup) {
        ahead.Step();
        const int64_t rows = Min(kGroup, count - group), query = first + group;
        const Sight sight =
            all ? Sight::kAll : scores.Of(query, query + rows, key, panel_vectors);
        if (sight == Sight::kNothing) continue;
        const int64_t key_vectors =
            all ? panel_vectors : scores.Vectors(query + rows, key, panel_vectors);
        Product<Words>(rows, key_vectors, words, Left{room.q + group * row_words, row_words, 1},
                       room.k + panel * panel_words, kPanel, room.scores, kPanel, false);
        DropoutPair pair;
        for (int64_t r = 0; r < rows; ++r) {
          float* products = room.scores + r * kPanel;
          const int64_t i = group + r;
          const RunningRow running = {room.top + i, room.sum + i * kLanes,
                                      room.out + i * width};
          float factor_left = left_over;
          if (sight != Sight::kAll) {
            scores.Shape(query + r, key, key_vectors, left_over, products, nullptr);
            factor_left = 1.0f;
          }
          if (drops && r % 2 == 0) pair.Draw(a.seed, scores.dropout_row(), query + r, key);
          const Bits* bits = drops ? pair.bits[r % 2] : nullptr;
          float* weights = room.weights + r * (kPanel / kPair);
          if (key_vectors == kPanelVectors) {  // a constant, for the compiler
            WeighRow<Format, kPanelVectors>(products, kPanelVectors, factor_left, running, width,
                                            rate, bits, weights);
          } else if (key_vectors > kPanelVectors / 2) {
            WeighRow<Format, kPanelVectors>(products, key_vectors, factor_left, running, width,
                                            rate, bits, weights);
          } else {  // short rows, and the diagonal of a causal mask
            WeighRow<Format, kPanelVectors / 2>(products, key_vectors, factor_left, running,
                                                width, rate, bits, weights);
          }
        }
        Product<Words>(rows, vectors, key_vectors * kLanes / kPair,
                       Left{room.weights, kPanel / kPair, 1}, room.v + key / kPair * width,
                       width, room.out + group * width, width, panel > begin || !covered);
      }
    }

    for (int64_t i = 0; i < count; ++i) {
      const float sum = SumOf(Load(room.sum + i * kLanes));
      const float growth = sum == 0.0f ? 0.0f : rate.growth / sum;
      WriteRow<E>(room.out + i * width, growth, a.width, (Type*)outs.data + i * outs.stride);
      arrays.lse[(row + i) * a.heads + head] =
          sum == 0.0f ? kNone : room.top[i] * kLn2 + logf(sum);
    }
  }
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
