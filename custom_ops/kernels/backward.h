// One backward task. The weights are made again from q, k and lse; with p a weight, g the
// gradient of an output row and delta = sum(g * out) - dlse of that row:
//
//   dv += p g     dp = g v     ds = p (dp - delta)     dq += ds k     dk += ds q
//
// all but lse and delta a tile of queries and keys at a time.
#pragma once

#include "room.h"
#include "scores.h"
#include "tasks.h"

namespace knl {
namespace KNL_UNIT {
namespace {

template <class Format>
struct BackwardRoom {
  Room room;
  float *k, *v, *k_along, *dk, *dv, *holes;                // the keys of a head
  float *q, *g, *q_along, *g_along, *dq, *log_sum, *log_rest, *delta;  // a block of queries
  float *ds, *ds_along, *p_along;  // a block of queries by a panel of keys
  float *scores, *slopes;          // a group of queries by a panel, each for p and for ds

  // For `keys` of a sequence's `all_keys`.
  BackwardRoom(const Attention& a, int64_t keys, int64_t all_keys, void* memory)
      : room(memory) {
    const int64_t padded = RoundUp(keys, kPanel), width = RoundUp(a.width, kLanes);
    k = room.Floats(padded * Format::PanelWords(a.width));
    v = room.Floats(padded * Format::PanelWords(a.width));
    k_along = room.Floats(padded / Format::kPair * width);
    dk = room.Floats(padded * width);
    dv = room.Floats(padded * width);
    holes = room.Floats(RoundUp(all_keys, kPanel));
    q = room.Floats(kQueryBlock * Format::RowWords(a.width));
    g = room.Floats(kQueryBlock * Format::RowWords(a.width));
    // Where a word is one float, rows serve both sums.
    q_along = Format::kPair == 1 ? q : room.Floats(kQueryBlock / 2 * width);
    g_along = Format::kPair == 1 ? g : room.Floats(kQueryBlock / 2 * width);
    dq = room.Floats(kQueryBlock * width);
    log_sum = room.Floats(kQueryBlock);
    log_rest = room.Floats(kQueryBlock);
    delta = room.Floats(kQueryBlock);
    ds = room.Floats(kQueryBlock * kPanel / Format::kPair);
    ds_along = Format::kPair == 1 ? ds : room.Floats(kQueryBlock / 2 * kPanel);
    p_along = room.Floats(kQueryBlock * kPanel / Format::kPair);
    scores = room.Floats(2 * kGroup * kPanel);
    slopes = room.Floats(kPanel);
  }
};

template <class Format>
size_t BackwardBytes(const Attention& a, int64_t keys, int64_t all_keys) {
  return BackwardRoom<Format>(a, keys, all_keys, nullptr).room.used();
}

// The part of a backward task that belongs to one key/value head of one sequence.
template <class Format>
class HeadGradient {
  using E = typename Format::Element;
  using Type = typename E::Type;
  using Words = typename Format::Words;
  static constexpr int kPair = Format::kPair;

 public:
  HeadGradient(const Attention& a, const BackwardArrays& arrays, const BackwardTask& task,
               int64_t batch, int64_t kv_head, const BackwardTask* next, void* scratch)
      : a_(a),
        arrays_(arrays),
        task_(task),
        s_(SequenceOf(a, batch)),
        kv_head_(kv_head),
        first_key_(Min(task.first_key, s_.keys)),
        end_key_(Min(task.end_key, s_.keys)),
        room_(a, end_key_ - first_key_, s_.keys, scratch),
        mask_(a, s_, room_.holes),
        width_(RoundUp(a.width, kLanes)),
        words_(Format::WidthWords(a.width)),
        row_words_(Format::RowWords(a.width)),
        panel_words_(Format::PanelWords(a.width) * kPanel),
        factor_(Scores::Factor(a)),
        rate_(a.dropout) {
    if (next == nullptr) return;
    const Sequence then = SequenceOf(a, next->batch);
    const int64_t keys = Max(0, Min(next->end_key, then.keys) - next->first_key);
    const int64_t head = next->kv_head * (a.heads / a.kv_heads);
    for (const void* array : {arrays.k, arrays.v}) {
      ahead_.Add(TokensOf<E>(array, then.first_key + next->first_key, keys, a.kv_heads,
                             next->kv_head, a.width));
    }
    for (const void* array : {arrays.q, arrays.dout, arrays.out}) {
      ahead_.Add(TokensOf<E>(array, then.first_query, Min(kQueryBlock, then.queries), a.heads,
                             head, a.width));
    }
    const int64_t blocks = (s_.queries + kQueryBlock - 1) / kQueryBlock;
    const int64_t groups = (Min(kQueryBlock, s_.queries) + kGroup - 1) / kGroup;
    ahead_.SpreadOver(blocks * (a.heads / a.kv_heads) * groups *
                      ((end_key_ - first_key_ + kPanel - 1) / kPanel));
  }

  void Run() {
    PackKeys();
    const int64_t shared = a_.heads / a_.kv_heads;
    for (int64_t head = kv_head_ * shared; head < (kv_head_ + 1) * shared; ++head) {
      const Scores scores(a_, s_, mask_, head);
      for (int64_t first = 0; first < s_.queries; first += kQueryBlock) {
        Block(scores, head, first, Min(kQueryBlock, s_.queries - first));
      }
    }
    const float dk_factor = Format::kFoldsScale ? Scores::GradientFactor(a_) : a_.scale;
    for (int64_t key = first_key_; key < end_key_; ++key) {
      const int64_t at = key_at() + key * key_stride();
      const int64_t row = (key - first_key_) * width_;
      WriteRow<E>(room_.dk + row, dk_factor, a_.width, (Type*)arrays_.dk + at);
      WriteRow<E>(room_.dv + row, 1.0f, a_.width, (Type*)arrays_.dv + at);
    }
  }

 private:
  int64_t key_at() const { return (s_.first_key * a_.kv_heads + kv_head_) * a_.width; }
  int64_t key_stride() const { return a_.kv_heads * a_.width; }

  void PackKeys() {
    const auto tokens = [&](const void* array) {
      return TokensOf<E>(array, s_.first_key, s_.keys, a_.kv_heads, kv_head_, a_.width);
    };
    const Tokens<E> keys = tokens(arrays_.k), values = tokens(arrays_.v);
    for (int64_t key = first_key_; key < end_key_; key += kPanel) {
      const int64_t end = Min(key + kPanel, end_key_), at = key - first_key_;
      Format::Across(keys.Slice(key, end), room_.k + at / kPanel * panel_words_);
      Format::Across(values.Slice(key, end), room_.v + at / kPanel * panel_words_);
      Format::Along(keys.Slice(key, end), RoundUp(end - key, kLanes),
                    room_.k_along + at / kPair * width_);
    }
    const size_t bytes = RoundUp(end_key_ - first_key_, kPanel) * width_ * sizeof(float);
    memset(room_.dk, 0, bytes);
    memset(room_.dv, 0, bytes);
  }

  // Queries [first, first + count) of a head, with all keys of the task.
  void Block(const Scores& scores, int64_t head, int64_t first, int64_t count) {
    const int64_t padded = RoundUp(count, 2), stride = a_.heads * a_.width;
    const int64_t at = ((s_.first_query + first) * a_.heads + head) * a_.width;
    const auto tokens = [&](const void* array) {
      return TokensOf<E>(array, s_.first_query + first, count, a_.heads, head, a_.width);
    };
    const Tokens<E> queries = tokens(arrays_.q), gradients = tokens(arrays_.dout);
    if (task_.dq == nullptr) tokens(arrays_.dq).PrefetchToWrite();
    Format::Rows(queries, padded, factor_, room_.q);
    Format::Rows(gradients, padded, 1.0f, room_.g);
    if (kPair > 1) {
      Format::Along(queries, padded, room_.q_along);
      Format::Along(gradients, padded, room_.g_along);
    }
    memset(room_.dq, 0, count * width_ * sizeof(float));
    RowSums(head, first, tokens(arrays_.out), gradients, padded);

    const int64_t begin = Max(first_key_, scores.FirstKey(first) / kPanel * kPanel);
    const int64_t end = Min(end_key_, scores.EndKey(first + count - 1));
    for (int64_t key = begin; key < end; key += kPanel) {
      PanelOfBlock(scores, first, count, key);
    }

    float* part = task_.dq;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t to = at + i * stride;
      const float* from = room_.dq + i * width_;
      if (part == nullptr) {
        WriteRow<E>(from, a_.scale, a_.width, (Type*)arrays_.dq + to);
      } else {
        WriteRow<Float32>(from, a_.scale, a_.width, part + to);
      }
    }
  }

  // delta and the log2 sum of each query; of one that sees no key or is only padding, such
  // that its weights become zero.
  void RowSums(int64_t head, int64_t first, Tokens<E> outs, Tokens<E> gradients,
               int64_t padded) {
    const int64_t first_row = (s_.first_query + first) * a_.heads + head;
    // Neighbouring lse lie a cache line or so apart: fetched one behind the other, ahead of all
    // other work, they are waited for once.
    for (int64_t i = 0; i < padded; ++i) {
      const float lse = i < outs.count ? arrays_.lse[first_row + i * a_.heads] : kNone;
      // In two floats: rounded to one, it would scale a row's weights by up to 2^-21.
      const double log_sum = lse == kNone ? -kNone : lse * 1.4426950408889634;
      room_.log_sum[i] = (float)log_sum;
      room_.log_rest[i] = lse == kNone ? 0.0f : (float)(log_sum - (float)log_sum);
    }
    for (int64_t i = 0; i < padded; ++i) {
      outs.Prefetch(i + kAhead);
      room_.delta[i] = 0.0f;
      if (room_.log_sum[i] == -kNone) continue;
      const Type* out = outs.data + i * outs.stride;
      const Type* g = gradients.data + i * gradients.stride;
      Vec sum = {};
      for (int64_t d = 0; d < a_.width; d += kLanes) {
        sum += ReadPart<E>(out + d, a_.width - d) * ReadPart<E>(g + d, a_.width - d);
      }
      room_.delta[i] = SumOf(sum);
      if (arrays_.dlse != nullptr) room_.delta[i] -= arrays_.dlse[first_row + i * a_.heads];
    }
  }

  void PanelOfBlock(const Scores& scores, int64_t first, int64_t count, int64_t key) {
    const int64_t vectors = RoundUp(Min(kPanel, end_key_ - key), kLanes) / kLanes;
    // Groups that see something of the panel: from begin to end, and all in between.
    int64_t begin = count, end = 0;
    for (int64_t group = 0; group < count; group += kGroup) {
      ahead_.Step();
      const int64_t rows = Min(kGroup, count - group), query = first + group;
      const Sight sight = scores.Of(query, query + rows, key, vectors);
      if (sight == Sight::kNothing && begin == count) continue;
      begin = Min(begin, group);
      if (sight != Sight::kNothing) {
        end = group + rows;
        GroupOfPanel(scores, first, group, rows, key, vectors, sight);
      } else {
        const size_t bytes = kGroup * (kPanel / kPair) * sizeof(float);
        memset(room_.p_along + group * (kPanel / kPair), 0, bytes);
        memset(room_.ds_along + group * (kPanel / kPair), 0, bytes);
        memset(room_.ds + group * (kPanel / kPair), 0, bytes);
      }
    }
    if (begin >= end) return;
    const int64_t rows = end - begin, keys = vectors * kLanes;
    const int64_t width_vectors = width_ / kLanes;
    const int64_t at = begin / kPair * kPanel, along = begin / kPair * width_;
    const int64_t key_row = (key - first_key_) * width_;
    Product<Words>(rows, width_vectors, keys / kPair,
                   Left{room_.ds + begin * (kPanel / kPair), kPanel / kPair, 1},
                   room_.k_along + key_row / kPair, width_, room_.dq + begin * width_, width_,
                   true);
    const int64_t row_words = RoundUp(rows, kPair) / kPair;
    Product<Words>(keys, width_vectors, row_words, Left{room_.p_along + at, 1, kPanel},
                   room_.g_along + along, width_, room_.dv + key_row, width_, true);
    Product<Words>(keys, width_vectors, row_words, Left{room_.ds_along + at, 1, kPanel},
                   room_.q_along + along, width_, room_.dk + key_row, width_, true);
  }

  // p and ds of a few queries with a panel of `all` vectors of keys.
  void GroupOfPanel(const Scores& scores, int64_t first, int64_t group, int64_t rows,
                    int64_t key, int64_t all, Sight sight) {
    // Where a word is one float, rows are made in the place from which products read them.
    float* const p = kPair == 1 ? room_.p_along + group * kPanel : room_.scores;
    float* const ds =
        kPair == 1 ? room_.ds + group * kPanel : room_.scores + kGroup * kPanel;
    const int64_t vectors = scores.Vectors(first + group + rows, key, all);
    const int64_t panel = (key - first_key_) / kPanel * panel_words_;
    const int64_t at = group * row_words_;
    Product<Words>(rows, vectors, words_, Left{room_.q + at, row_words_, 1}, room_.k + panel,
                   kPanel, p, kPanel, false);
    Product<Words>(rows, vectors, words_, Left{room_.g + at, row_words_, 1}, room_.v + panel,
                   kPanel, ds, kPanel, false);
    DropoutPair pair;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t query = first + group + r, i = group + r;
      float* const p_row = p + r * kPanel;
      float* const ds_row = ds + r * kPanel;
      if (rate_.threshold > 0 && r % 2 == 0) {
        pair.Draw(a_.seed, scores.dropout_row(), query, key);
      }
      const Bits* bits = rate_.threshold > 0 ? pair.bits[r % 2] : nullptr;
      const float left_over = Format::kFoldsScale ? 1.0f : factor_;
      if (sight == Sight::kAll && vectors == kPanelVectors) {
        Differentiate<kPanelVectors>(p_row, ds_row, vectors, left_over, i, bits);
      } else if (sight == Sight::kAll) {
        Differentiate<0>(p_row, ds_row, vectors, left_over, i, bits);
      } else {
        scores.Shape(query, key, vectors, left_over, p_row, room_.slopes);
        Differentiate<0>(p_row, ds_row, vectors, 1.0f, i, bits);
        Unshape(scores, query, key, vectors, ds_row);
      }
      for (int64_t n = vectors; n < all; ++n) {
        Store(p_row + n * kLanes, Vec{});
        Store(ds_row + n * kLanes, Vec{});
      }
      if (kPair == 1) continue;
      for (int64_t n = 0; n < all; ++n) {
        Format::StoreAlongKeys(Load(ds_row + n * kLanes), n * kLanes,
                               room_.ds + i * (kPanel / kPair));
      }
    }
    if constexpr (kPair == 2) {
      if (rows % 2 == 1) {
        memset(p + rows * kPanel, 0, kPanel * sizeof(float));
        memset(ds + rows * kPanel, 0, kPanel * sizeof(float));
      }
      for (int64_t r = 0; r < rows; r += 2) {
        const int64_t to = (group + r) / kPair * kPanel;
        Format::StorePairAlongQueries(p + r * kPanel, room_.p_along + to);
        Format::StorePairAlongQueries(ds + r * kPanel, room_.ds_along + to);
      }
    }
  }

  // From scores and dp to the weights that met v, and ds, of the block's query i. `bits` is
  // null without dropout. kCount is the number of vectors, 0 if it is only known at run time.
  template <int kCount>
  KNL_INLINE void Differentiate(float* p_row, float* ds_row, int64_t vectors, float factor,
                                int64_t i, const Bits* bits) const {
    const Vec log_sum = Splat(room_.log_sum[i]), rest = Splat(room_.log_rest[i]);
    const Vec delta = Splat(room_.delta[i]);
    const int64_t count = kCount > 0 ? kCount : vectors;
#pragma GCC unroll 4
    for (int64_t n = 0; n < count; ++n) {
      const Vec score = Load(p_row + n * kLanes) * Splat(factor);
      const Vec weight = Exp2(score - log_sum - rest);
      Vec kept = weight, dp = Load(ds_row + n * kLanes);
      if (bits != nullptr) {
        kept = rate_.Keep(weight * Splat(rate_.growth), bits[n]);
        dp = rate_.Keep(dp * Splat(rate_.growth), bits[n]);
      }
      Store(p_row + n * kLanes, kept);
      Store(ds_row + n * kLanes, weight * (dp - delta));
    }
  }

  // The bias takes its share of ds, and the soft cap flattens it.
  void Unshape(const Scores& scores, int64_t query, int64_t key, int64_t vectors,
               float* ds_row) {
    if (arrays_.dbias != nullptr) {
      float* to = arrays_.dbias + scores.bias_row(query) + key;
      const int64_t count = Min(vectors * kLanes, s_.keys - key);
      for (int64_t n = 0; n < count; n += kLanes) {
        const Vec sum = ReadPart<Float32>(to + n, count - n) + Load(ds_row + n);
        WritePart<Float32>(to + n, sum, count - n);
      }
    }
    if (a_.soft_cap > 0.0f) {
      for (int64_t n = 0; n < vectors * kLanes; n += kLanes) {
        Store(ds_row + n, Load(ds_row + n) * Load(room_.slopes + n));
      }
    }
  }

  const Attention& a_;
  const BackwardArrays& arrays_;
  const BackwardTask& task_;
  const Sequence s_;
  const int64_t kv_head_;
  const int64_t first_key_, end_key_;
  const BackwardRoom<Format> room_;
  const KeyMask mask_;
  const int64_t width_, words_, row_words_, panel_words_;
  const float factor_;
  const DropoutRate rate_;
  Ahead<E> ahead_;
};

template <class Format>
void Backward(const Attention& a, const BackwardArrays& arrays, const BackwardTask& task,
              const BackwardTask* next, void* scratch) {
  for (int64_t batch = task.batch; batch < task.end_batch; ++batch) {
    for (int64_t kv_head = task.kv_head; kv_head < task.end_kv_head; ++kv_head) {
      const bool last = batch + 1 == task.end_batch && kv_head + 1 == task.end_kv_head;
      HeadGradient<Format>(a, arrays, task, batch, kv_head, last ? next : nullptr, scratch)
          .Run();
    }
  }
}

// The parts of dq, in the order of their keys.
template <class E>
void SumParts(const float* from, int64_t parts, int64_t size, int64_t begin, int64_t end,
              void* to) {
  for (int64_t i = begin; i < end; i += kLanes) {
    Vec sum = {};
    for (int64_t part = 0; part < parts; ++part) {
      sum += ReadPart<Float32>(from + part * size + i, end - i);
    }
    WritePart<E>((typename E::Type*)to + i, sum, end - i);
  }
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
