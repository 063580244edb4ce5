// What needs the gradients of scores in one order, always: the queries' gradients, a block of
// queries at a time, and the bias's, summed over what shares it.
#pragma once

#include "cuda_backward.h"

namespace knl {
namespace cuda {

template <class E, int kWidth>
struct GradientShape {
  static constexpr bool kHalf = sizeof(typename E::Type) == 2;
  static constexpr int kWarps = kHalf || kWidth <= 128 ? 4 : 2;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kQueries = kWarps * 16;
  static constexpr int kKeys = kHalf ? (kWidth <= 64 ? 64 : 32) : kWidth <= 64 ? 32 : 16;
  static constexpr int kQueryBytes = kQueries * kWidth * sizeof(typename E::Type);
  static constexpr int kKeyBytes = kKeys * kWidth * sizeof(typename E::Type);
  static constexpr size_t kBytes =
      2 * kQueryBytes + 2 * kKeyBytes + Stay<kQueries>::kBytes;
};

// What a block holds in shared memory, one head's.
template <class E, int kWidth>
struct GradientTiles {
  using Shape = GradientShape<E, kWidth>;
  Tile<E, kWidth> q, dout, k, v;
  Stay<Shape::kQueries> stay;

  KNL_DEVICE GradientTiles()
      : q{Shared()}, dout{Shared() + Shape::kQueryBytes}, k{Shared() + 2 * Shape::kQueryBytes},
        v{Shared() + 2 * Shape::kQueryBytes + Shape::kKeyBytes},
        stay{Shared() + 2 * Shape::kQueryBytes + 2 * Shape::kKeyBytes} {}
};

// One head's, of one warp's 16 queries.
template <class E, int kWidth>
struct ScoreGradients {
  using Shape = GradientShape<E, kWidth>;
  using Type = typename E::Type;
  const BackwardCall& call;
  const Place& place;
  const Scores<false> scores;
  const Dropout& dropout;
  const GradientTiles<E, kWidth>& tiles;
  float lse[2], delta[2];  // of the thread's queries

  KNL_DEVICE ScoreGradients(const BackwardCall& c, const Place& where, int head,
                            const Dropout& d, const GradientTiles<E, kWidth>& t)
      : call(c), place(where), scores(c.a, where, head), dropout(d), tiles(t) {
    const int heads = static_cast<int>(c.a.heads), width = static_cast<int>(c.a.width);
    SyncBlock();  // all are done with what was there
    Load<Shape::kQueries, Shape::kThreads>(
        RowsOf<Type>(c.q, place.query_row, place.queries, heads, head, width, c.chunks),
        place.first, tiles.q);
    Load<Shape::kQueries, Shape::kThreads>(
        RowsOf<Type>(c.dout, place.query_row, place.queries, heads, head, width, c.chunks),
        place.first, tiles.dout);
    for (int h = 0; h < 2; ++h) {
      const int query = place.first + Thread() / 32 * 16 + Lane() / 4 + h * 8;
      const bool there = query < place.queries;
      const int64_t row = (place.query_row + query) * heads + head;
      const float l = there ? c.lse[row] : -INFINITY;
      lse[h] = l == -INFINITY ? INFINITY : l;
      delta[h] = there ? c.delta[row] : 0.0f;
    }
  }

  // Of keys [key, key + kKeys), before the soft cap's slope if `of_bias`.
  KNL_DEVICE void Make(int key, bool of_bias, Part (*ds)[Shape::kKeys / 8]) const {
    const Attention& a = call.a;
    const int heads = static_cast<int>(a.heads), kv_heads = static_cast<int>(a.kv_heads);
    const int kv_head = scores.head / (heads / kv_heads), width = static_cast<int>(a.width);
    SyncBlock();
    Load<Shape::kKeys, Shape::kThreads>(
        RowsOf<Type>(call.k, place.key_row, place.keys, kv_heads, kv_head, width, call.chunks),
        key, tiles.k);
    Load<Shape::kKeys, Shape::kThreads>(
        RowsOf<Type>(call.v, place.key_row, place.keys, kv_heads, kv_head, width, call.chunks),
        key, tiles.v);
    CommitCopies();
    const bool drops = dropout.threshold > 0;
    if (drops) {
      tiles.stay.template Draw<Shape::kThreads>(dropout, place.batch * heads + scores.head,
                                                place.first, key / 64 * 64);
    }
    WaitForCopies<0>();
    SyncBlock();
    Part s[1][Shape::kKeys / 8];
    Clear<1>(s);
    Clear<1>(ds);
    const int warp_row = Thread() / 32 * 16, g = Lane() / 4, p = Lane() % 4;
    MultiplyTurned<1, Shape::kKeys>(tiles.q, warp_row, tiles.k, call.tf32, s);
    MultiplyTurned<1, Shape::kKeys>(tiles.dout, warp_row, tiles.v, call.tf32, ds);
    KNL_UNROLL
    for (int n = 0; n < Shape::kKeys / 8; ++n) {
      KNL_UNROLL
      for (int r = 0; r < 4; ++r) {
        const int row = warp_row + g + r / 2 * 8, column = key + n * 8 + 2 * p + r % 2;
        float slope;
        const float score = scores.Of(s[0][n][r], place.first + row, column, &slope);
        const float weight = Exp2((score - lse[r / 2]) * kLog2E);
        const bool stays = !drops || tiles.stay.Has(row, column);
        const float dweight = stays ? ds[0][n][r] * dropout.growth : 0.0f;
        ds[0][n][r] = weight == 0.0f ? 0.0f : weight * (dweight - delta[r / 2]);
        if (!of_bias) ds[0][n][r] *= slope;
      }
    }
  }
};

// dq, a block of queries.
template <class E, int kWidth>
KNL_KERNEL((GradientShape<E, kWidth>::kThreads), 1) QueryGradientKernel(const BackwardCall call) {
  using Shape = GradientShape<E, kWidth>;
  using Type = typename E::Type;
  const Attention& a = call.a;
  const int head = BlockIndex().y;
  Place place;
  if (!Find<Shape::kQueries, false>(a, BlockIndex().x, &place)) return;
  const Dropout dropout(a.dropout, call.seed);
  const GradientTiles<E, kWidth> tiles;
  const ScoreGradients<E, kWidth> gradients(call, place, head, dropout, tiles);
  Part dq[1][kWidth / 8];
  Clear<1>(dq);
  const int last = Smaller(place.first + Shape::kQueries, place.queries) - 1;
  const int begin = gradients.scores.FirstKey(place.first) / Shape::kKeys * Shape::kKeys;
  const int end = gradients.scores.EndKey(last);
  for (int key = begin; key < end; key += Shape::kKeys) {
    Part ds[1][Shape::kKeys / 8];
    gradients.Make(key, false, ds);
    MultiplyParts<1, Shape::kKeys, kWidth>(ds, tiles.k, 0, call.tf32, dq);
  }
  WaitForCopies<0>();
  SyncBlock();
  const int warp_row = Thread() / 32 * 16, g = Lane() / 4, p = Lane() % 4;
  KNL_UNROLL
  for (int n = 0; n < kWidth / 8; ++n) {
    KNL_UNROLL
    for (int r = 0; r < 4; ++r) {
      *tiles.q.At(warp_row + g + r / 2 * 8, n * 8 + 2 * p + r % 2) =
          E::Round(dq[0][n][r] * a.scale);
    }
  }
  Store(tiles.q, warp_row, warp_row + 16,
        RowsOf<Type>(call.dq, place.query_row, place.queries, static_cast<int>(a.heads), head,
                     static_cast<int>(a.width), call.chunks),
        place.first);
}

// dbias, a block of queries and a tile of keys, over all sequences and heads that share it.
template <class E, int kWidth>
KNL_KERNEL((GradientShape<E, kWidth>::kThreads), 1) BiasGradientKernel(const BackwardCall call) {
  using Shape = GradientShape<E, kWidth>;
  const Attention& a = call.a;
  const Dropout dropout(a.dropout, call.seed);
  const GradientTiles<E, kWidth> tiles;
  const int key_tiles = UpDivide(a.keys, Shape::kKeys);
  const int first = BlockIndex().x / key_tiles * Shape::kQueries;
  const int key = BlockIndex().x % key_tiles * Shape::kKeys;
  const int head = BlockIndex().y, batch = BlockIndex().z;
  Part sum[1][Shape::kKeys / 8];
  Clear<1>(sum);
  const int batches = a.bias_batch == 1 ? static_cast<int>(a.batch) : 1;
  const int heads = a.bias_heads == 1 ? static_cast<int>(a.heads) : 1;
  for (int i = 0; i < batches * heads; ++i) {
    Place place;
    place.batch = batch + i / heads;
    place.first = first;
    place.queries = static_cast<int>(a.queries);
    place.keys = static_cast<int>(a.keys);
    place.query_row = place.batch * a.queries;
    place.key_row = place.batch * a.keys;
    const ScoreGradients<E, kWidth> gradients(call, place, head + i % heads, dropout, tiles);
    Part ds[1][Shape::kKeys / 8];
    gradients.Make(key, true, ds);
    Add<1>(ds, sum);
  }
  const int row = first + Thread() / 32 * 16 + Lane() / 4, column = key + Lane() % 4 * 2;
  KNL_UNROLL
  for (int n = 0; n < Shape::kKeys / 8; ++n) {
    KNL_UNROLL
    for (int r = 0; r < 4; ++r) {
      const int query = row + r / 2 * 8, at = column + n * 8 + r % 2;
      if (query >= a.queries || at >= a.keys) continue;
      call.dbias[((batch * a.bias_heads + head) * a.queries + query) * a.keys + at] = sum[0][n][r];
    }
  }
}

}  // namespace cuda
}  // namespace knl
