// softmax(q k^T) v of a block of queries, tile after tile of keys.
//
// Each warp has its own queries. Their scores stay in its registers, and so do the weights,
// which are the left factor of the next product as they lie.
#pragma once

#include "cuda_dropout.h"
#include "cuda_kernels.h"
#include "cuda_product.h"
#include "cuda_scores.h"

namespace knl {
namespace cuda {

// How a block works, by the type and by the width that a head is rounded up to.
template <class E, int kWidth>
struct ForwardShape {
  static constexpr bool kHalf = sizeof(typename E::Type) == 2;
  // Two tiles of 16 queries a warp read keys and values half as often; wider heads leave no
  // registers for it.
  static constexpr int kRowTiles = kHalf && kWidth <= 64 ? 2 : 1;
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kQueries = kWarps * kRowTiles * 16;
  static constexpr int kKeys = kHalf ? (kWidth <= 128 ? 64 : 32) : kWidth <= 128 ? 32 : 16;
  static constexpr int kQueryBytes = kQueries * kWidth * sizeof(typename E::Type);
  static constexpr int kKeyBytes = kKeys * kWidth * sizeof(typename E::Type);

  static constexpr size_t Bytes(bool ahead, bool dropout) {
    return kQueryBytes + (ahead ? 4 : 2) * kKeyBytes + (dropout ? 2 * Stay<kQueries>::kBytes : 0);
  }
};

template <class E, int kWidth, bool kPlain>
KNL_KERNEL((ForwardShape<E, kWidth>::kThreads), 1) ForwardKernel(const ForwardCall call) {
  using Shape = ForwardShape<E, kWidth>;
  using Type = typename E::Type;
  constexpr int kThreads = Shape::kThreads, kQueries = Shape::kQueries, kKeys = Shape::kKeys;
  constexpr int kTiles = Shape::kRowTiles;
  const Attention& a = call.a;
  const int head = BlockIndex().y, width = static_cast<int>(a.width);
  Place place;
  if (!Find<kQueries, false>(a, BlockIndex().x, &place)) return;
  const Scores<kPlain> scores(a, place, head);
  const Dropout dropout(a.dropout, call.seed);
  const bool drops = dropout.threshold > 0;

  const int heads = static_cast<int>(a.heads), kv_heads = static_cast<int>(a.kv_heads);
  const auto q = RowsOf<Type>(call.q, place.query_row, place.queries, heads, head, width,
                              call.chunks);
  const int kv_head = head / (heads / kv_heads);
  const auto k = RowsOf<Type>(call.k, place.key_row, place.keys, kv_heads, kv_head, width,
                              call.chunks);
  const auto v = RowsOf<Type>(call.v, place.key_row, place.keys, kv_heads, kv_head, width,
                              call.chunks);

  uint8_t* memory = Shared();
  const Tile<E, kWidth> q_tile{memory};
  memory += Shape::kQueryBytes;
  const auto k_tile = [&](int i) {
    return Tile<E, kWidth>{memory + (call.ahead ? i % 2 : 0) * 2 * Shape::kKeyBytes};
  };
  const auto v_tile = [&](int i) { return Tile<E, kWidth>{k_tile(i).memory + Shape::kKeyBytes}; };
  uint8_t* const stay_memory = memory + (call.ahead ? 4 : 2) * Shape::kKeyBytes;

  const int last = Smaller(place.first + kQueries, place.queries) - 1;
  const int begin = scores.FirstKey(place.first) / kKeys * kKeys;
  const int tiles = Larger(0, UpDivide(Larger(0, scores.EndKey(last) - begin), kKeys));
  const auto load = [&](int i) {
    if (i < tiles) {
      Load<kKeys, kThreads>(k, begin + i * kKeys, k_tile(i));
      Load<kKeys, kThreads>(v, begin + i * kKeys, v_tile(i));
    }
    CommitCopies();
  };
  Load<kQueries, kThreads>(q, place.first, q_tile);
  load(0);

  const int g = Lane() / 4, p = Lane() % 4;
  const int warp_row = Thread() / 32 * 16 * kTiles;
  float most[kTiles][2], sum[kTiles][2];  // of each query: its largest score, its weights
  Part out[kTiles][kWidth / 8];
  KNL_UNROLL
  for (int m = 0; m < kTiles; ++m) {
    KNL_UNROLL
    for (int h = 0; h < 2; ++h) most[m][h] = -INFINITY, sum[m][h] = 0.0f;
  }
  Clear<kTiles>(out);

  for (int i = 0; i < tiles; ++i) {
    const int key = begin + i * kKeys;
    const Stay<kQueries> stay{stay_memory + i % 2 * Stay<kQueries>::kBytes};
    if (drops) {
      stay.template Draw<kThreads>(dropout, place.batch * heads + head, place.first,
                                   key / 64 * 64);
    }
    WaitForCopies<0>();
    const bool any = scores.AnyKept(key, kKeys);  // and all have come, and are done with i - 1
    if (call.ahead) load(i + 1);
    if (any) {
      Part s[kTiles][kKeys / 8];
      Clear<kTiles>(s);
      MultiplyTurned<kTiles, kKeys>(q_tile, warp_row, k_tile(i), call.tf32, s);

      if (!kPlain || !scores.AllInWindow(place.first, kQueries, key, kKeys)) {
        KNL_UNROLL
        for (int m = 0; m < kTiles; ++m) {
          KNL_UNROLL
          for (int n = 0; n < kKeys / 8; ++n) {
            KNL_UNROLL
            for (int r = 0; r < 4; ++r) {
              float slope;
              s[m][n][r] = scores.Of(s[m][n][r],
                                     place.first + warp_row + m * 16 + g + r / 2 * 8,
                                     key + n * 8 + 2 * p + r % 2, &slope);
            }
          }
        }
      }

      KNL_UNROLL
      for (int m = 0; m < kTiles; ++m) {
        KNL_UNROLL
        for (int h = 0; h < 2; ++h) {
          float top = most[m][h];
          KNL_UNROLL
          for (int n = 0; n < kKeys / 8; ++n) {
            top = fmaxf(top, fmaxf(s[m][n][2 * h], s[m][n][2 * h + 1]));
          }
          top = fmaxf(top, ShuffleXor(top, 1));
          top = fmaxf(top, ShuffleXor(top, 2));
          // A query that has seen nothing yet keeps zeros.
          const float shift = top == -INFINITY ? 0.0f : top * scores.unit;
          const float shrink = Exp2(most[m][h] * scores.unit - shift);
          most[m][h] = top;
          sum[m][h] *= shrink;
          KNL_UNROLL
          for (int n = 0; n < kWidth / 8; ++n) {
            out[m][n][2 * h] *= shrink;
            out[m][n][2 * h + 1] *= shrink;
          }
          KNL_UNROLL
          for (int n = 0; n < kKeys / 8; ++n) {
            KNL_UNROLL
            for (int e = 0; e < 2; ++e) {
              float& weight = s[m][n][2 * h + e];
              weight = Exp2(weight * scores.unit - shift);
              sum[m][h] += weight;
              if (drops && !stay.Has(warp_row + m * 16 + g + h * 8, key + n * 8 + 2 * p + e)) {
                weight = 0.0f;
              }
            }
          }
        }
      }
      MultiplyParts<kTiles, kKeys, kWidth>(s, v_tile(i), 0, call.tf32, out);
    }
    if (!call.ahead) {
      SyncBlock();
      load(i + 1);
    }
  }

  // A warp writes its results over its queries, and from there to memory in whole chunks.
  WaitForCopies<0>();
  SyncBlock();  // where there was no tile, q is only here now
  KNL_UNROLL
  for (int m = 0; m < kTiles; ++m) {
    KNL_UNROLL
    for (int h = 0; h < 2; ++h) {
      const int row = warp_row + m * 16 + g + h * 8;
      float& total = sum[m][h];
      total += ShuffleXor(total, 1);
      total += ShuffleXor(total, 2);
      const float factor = total > 0.0f ? dropout.growth / total : 0.0f;
      KNL_UNROLL
      for (int n = 0; n < kWidth / 8; ++n) {
        KNL_UNROLL
        for (int e = 0; e < 2; ++e) {
          *q_tile.At(row, n * 8 + 2 * p + e) = E::Round(out[m][n][2 * h + e] * factor);
        }
      }
      if (p == 0 && place.first + row < place.queries) {
        // What rounding took from the largest score, all weights were too large by.
        const float top = most[m][h];
        const float lost = fmaf(top, scores.unit, -(top * scores.unit));
        call.lse[(place.query_row + place.first + row) * heads + head] =
            total > 0.0f ? fmaf(top, scores.scale, (Log2(total) - lost) * kLn2) : -INFINITY;
      }
    }
  }
  Store(q_tile, warp_row, warp_row + 16 * kTiles,
        RowsOf<Type>(call.out, place.query_row, place.queries, heads, head, width, call.chunks),
        place.first);
}

}  // namespace cuda
}  // namespace knl
