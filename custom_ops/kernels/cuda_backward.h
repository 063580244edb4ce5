// The gradients of keys and values, a block of keys at a time, which goes through the queries
// that see them; and, unless asked not to, that block's share of the queries' gradients.
//
// Scores are made turned over, keys x queries: so that weights and score gradients are left
// factors as they lie, of dv = weights^T dout and dk = gradients^T q. Only for
// dq = gradients k do they go through shared memory.
#pragma once

#include "cuda_dropout.h"
#include "cuda_kernels.h"
#include "cuda_product.h"
#include "cuda_scores.h"

namespace knl {
namespace cuda {

// ---- What all of the backward starts from ----

// delta = sum of dout * out, less dlse: [rows, H]. A warp each.
template <class E>
KNL_KERNEL(256, 1) DeltaKernel(const void* out, const void* dout, const float* dlse,
                               int64_t rows, int width, float* delta) {
  const int64_t row = int64_t{BlockIndex().x} * 8 + Thread() / 32;
  if (row >= rows) return;
  const auto* x = static_cast<const typename E::Type*>(out) + row * width;
  const auto* y = static_cast<const typename E::Type*>(dout) + row * width;
  float sum = 0.0f;
  for (int d = Thread() % 32; d < width; d += 32) sum += E::Read(x[d]) * E::Read(y[d]);
  for (int step = 16; step > 0; step /= 2) sum += ShuffleXor(sum, step);
  if (Thread() % 32 == 0) delta[row] = sum - (dlse == nullptr ? 0.0f : dlse[row]);
}

// dq, from sums whose rows are kWidth long.
template <class E>
KNL_KERNEL(256, 1) RoundKernel(const float* sums, int64_t rows, int sums_width, int width,
                               float scale, void* dq) {
  const int64_t i = int64_t{BlockIndex().x} * 256 + Thread();
  if (i >= rows * width) return;
  static_cast<typename E::Type*>(dq)[i] = E::Round(scale * sums[i / width * sums_width + i % width]);
}

// ---- Keys and values ----

template <class E, int kWidth>
struct BackwardShape {
  static constexpr bool kHalf = sizeof(typename E::Type) == 2;
  // Wide heads: two warps make the same scores, and each sums half of the columns.
  static constexpr int kParts = kWidth > (kHalf ? 128 : 64) ? 2 : 1;
  static constexpr int kColumns = kWidth / kParts;
  static constexpr int kKeyWarps = kHalf || kWidth <= 128 ? 4 : 2;
  static constexpr int kWarps = kKeyWarps * kParts;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kKeys = kKeyWarps * 16;
  static constexpr int kQueries = kWidth <= (kHalf ? 128 : 64) ? 32 : 16;
  static constexpr int kTileBytes = kKeys * kWidth * sizeof(typename E::Type);
  static constexpr int kQueryBytes = kQueries * kWidth * sizeof(typename E::Type);
  // Rows of score gradients: one for each key, at least as long as the banks are wide.
  static constexpr int kGradients = kHalf ? 64 : 32;
  static constexpr int kGradientBytes = kKeys * kGradients * sizeof(typename E::Type);
  static_assert(kQueries <= kGradients, "");

  static constexpr size_t Bytes(bool ahead, bool dropout) {
    return 2 * kTileBytes + (ahead ? 2 : 1) * (2 * kQueryBytes) + kGradientBytes +
           2 * 2 * kQueries * sizeof(float) + (dropout ? 2 * Stay<kQueries>::kBytes : 0);
  }
};

template <class E, int kWidth, bool kPlain>
KNL_KERNEL((BackwardShape<E, kWidth>::kThreads), 1) BackwardKernel(const BackwardCall call) {
  using Shape = BackwardShape<E, kWidth>;
  using Type = typename E::Type;
  constexpr int kThreads = Shape::kThreads, kQueries = Shape::kQueries, kKeys = Shape::kKeys;
  constexpr int kColumns = Shape::kColumns;
  const Attention& a = call.a;
  const int kv_head = BlockIndex().y, width = static_cast<int>(a.width);
  Place place;
  if (!Find<kKeys, true>(a, BlockIndex().x, &place)) return;
  const Dropout dropout(a.dropout, call.seed);
  const bool drops = dropout.threshold > 0;
  const int heads = static_cast<int>(a.heads), kv_heads = static_cast<int>(a.kv_heads);
  const int shared = heads / kv_heads;

  uint8_t* memory = Shared();
  const Tile<E, kWidth> k_tile{memory}, v_tile{memory + Shape::kTileBytes};
  memory += 2 * Shape::kTileBytes;
  uint8_t* const query_memory = memory;
  const auto q_tile = [&](int i) {
    return Tile<E, kWidth>{query_memory + (call.ahead ? i % 2 : 0) * 2 * Shape::kQueryBytes};
  };
  const auto dout_tile = [&](int i) {
    return Tile<E, kWidth>{q_tile(i).memory + Shape::kQueryBytes};
  };
  memory += (call.ahead ? 2 : 1) * 2 * Shape::kQueryBytes;
  const Tile<E, Shape::kGradients> gradients{memory};
  memory += Shape::kGradientBytes;
  float* const lse_memory = reinterpret_cast<float*>(memory);  // [2][2][kQueries]
  uint8_t* const stay_memory = memory + 4 * kQueries * sizeof(float);

  // Which queries see a key of the block does not depend on the head.
  const Scores<kPlain> window(a, place, 0);
  const int last = Smaller(place.first + kKeys, place.keys) - 1;
  const int begin = window.FirstQuery(place.first) / kQueries * kQueries;
  const int blocks = Larger(0, UpDivide(Larger(0, window.EndQuery(last) - begin), kQueries));
  const int tiles = blocks * shared;
  const auto head_of = [&](int i) { return kv_head * shared + i / blocks; };
  const auto query_of = [&](int i) { return begin + i % blocks * kQueries; };
  const auto load = [&](int i) {
    if (i < tiles) {
      const int query = query_of(i);
      Load<kQueries, kThreads>(RowsOf<Type>(call.q, place.query_row, place.queries, heads,
                                            head_of(i), width, call.chunks),
                               query, q_tile(i));
      Load<kQueries, kThreads>(RowsOf<Type>(call.dout, place.query_row, place.queries, heads,
                                            head_of(i), width, call.chunks),
                               query, dout_tile(i));
    }
    CommitCopies();
  };
  Load<kKeys, kThreads>(RowsOf<Type>(call.k, place.key_row, place.keys, kv_heads, kv_head,
                                     width, call.chunks),
                        place.first, k_tile);
  Load<kKeys, kThreads>(RowsOf<Type>(call.v, place.key_row, place.keys, kv_heads, kv_head,
                                     width, call.chunks),
                        place.first, v_tile);
  load(0);

  const int g = Lane() / 4, p = Lane() % 4, warp = Thread() / 32;
  const int key_row = warp % Shape::kKeyWarps * 16;  // of the warp, in the block
  const int part = warp / Shape::kKeyWarps;          // of the columns
  Part dk[1][kColumns / 8], dv[1][kColumns / 8];
  Clear<1>(dk);
  Clear<1>(dv);

  for (int i = 0; i < tiles; ++i) {
    const int query = query_of(i), head = head_of(i);
    float* const lse = lse_memory + i % 2 * 2 * kQueries;
    float* const delta = lse + kQueries;
    if (Thread() < kQueries) {
      const bool there = query + Thread() < place.queries;
      const int64_t row = (place.query_row + query + Thread()) * heads + head;
      const float l = there ? call.lse[row] : -INFINITY;
      // No weight for who sees no key, or is none.
      lse[Thread()] = l == -INFINITY ? INFINITY : l;
      delta[Thread()] = there ? call.delta[row] : 0.0f;
    }
    const Stay<kQueries> stay{stay_memory + i % 2 * Stay<kQueries>::kBytes};
    if (drops) {
      stay.template Draw<kThreads>(dropout, place.batch * heads + head, query,
                                   place.first / 64 * 64);
    }
    WaitForCopies<0>();
    SyncBlock();
    if (call.ahead) load(i + 1);

    const Scores<kPlain> scores(a, place, head);
    Part s[1][kQueries / 8], ds[1][kQueries / 8];  // [keys, queries]
    Clear<1>(s);
    Clear<1>(ds);
    MultiplyTurned<1, kQueries>(k_tile, key_row, q_tile(i), call.tf32, s);
    MultiplyTurned<1, kQueries>(v_tile, key_row, dout_tile(i), call.tf32, ds);

    const bool all = kPlain && scores.AllInWindow(query, kQueries, place.first, kKeys);
    KNL_UNROLL
    for (int n = 0; n < kQueries / 8; ++n) {
      KNL_UNROLL
      for (int r = 0; r < 4; ++r) {
        const int row = key_row + g + r / 2 * 8, column = n * 8 + 2 * p + r % 2;
        float slope = 1.0f, score = s[0][n][r];
        if (!all) score = scores.Of(score, query + column, place.first + row, &slope);
        // Subtracted first: with base 2, large scores would be rounded twice more.
        const float weight = Exp2(fmaf(score, scores.scale, -lse[column]) * kLog2E);
        const bool stays = !drops || stay.Has(column, place.first + row);
        const float dweight = stays ? ds[0][n][r] * dropout.growth : 0.0f;
        // A weight of zero has no gradient, whatever stands in rows that nobody sees.
        ds[0][n][r] = weight == 0.0f ? 0.0f : weight * (dweight - delta[column]) * slope;
        s[0][n][r] = stays ? weight : 0.0f;
      }
    }
    MultiplyParts<1, kQueries, kColumns>(s, dout_tile(i), part * kColumns, call.tf32, dv);
    MultiplyParts<1, kQueries, kColumns>(ds, q_tile(i), part * kColumns, call.tf32, dk);

    if (call.dq_sum != nullptr) {
      if (part == 0) {
        KNL_UNROLL
        for (int n = 0; n < kQueries / 8; ++n) {
          KNL_UNROLL
          for (int r = 0; r < 4; ++r) {
            *gradients.At(key_row + g + r / 2 * 8, n * 8 + 2 * p + r % 2) =
                E::Round(ds[0][n][r]);
          }
        }
      }
      SyncBlock();
      // 16 queries x 32 columns at a time.
      for (int piece = warp; piece < kQueries / 16 * (kWidth / 32); piece += Shape::kWarps) {
        const int row = piece % (kQueries / 16) * 16, column = piece / (kQueries / 16) * 32;
        if (column >= width) break;
        Part dq[1][4];
        Clear<1>(dq);
        KNL_UNROLL
        for (int step = 0; step < kKeys / E::kDepth; ++step) {
          Factor<E> left, right;
          LoadLeftTurned(gradients, row, step * E::kDepth, &left);
          KNL_UNROLL
          for (int n = 0; n < 2; ++n) {
            LoadRight(k_tile, step * E::kDepth, column + n * 16, &right);
            Multiply(dq[0] + 2 * n, left, right, call.tf32);
          }
        }
        KNL_UNROLL
        for (int h = 0; h < 2; ++h) {
          const int at = query + row + g + h * 8;
          if (at >= place.queries) continue;
          float* const sums = call.dq_sum +
              ((place.query_row + at) * heads + head) * kWidth + column + 2 * p;
          KNL_UNROLL
          for (int n = 0; n < 4; ++n) AtomicAdd2(sums + n * 8, dq[0][n][2 * h], dq[0][n][2 * h + 1]);
        }
      }
    }
    if (!call.ahead) {
      SyncBlock();
      load(i + 1);
    }
  }

  // Over keys and values, and from there to memory in whole chunks.
  WaitForCopies<0>();
  SyncBlock();
  KNL_UNROLL
  for (int n = 0; n < kColumns / 8; ++n) {
    KNL_UNROLL
    for (int r = 0; r < 4; ++r) {
      const int row = key_row + g + r / 2 * 8, column = part * kColumns + n * 8 + 2 * p + r % 2;
      *k_tile.At(row, column) = E::Round(dk[0][n][r] * a.scale);
      *v_tile.At(row, column) = E::Round(dv[0][n][r] * dropout.growth);
    }
  }
  SyncBlock();
  const int rows = kKeys / Shape::kWarps;  // for each warp to store
  Store(k_tile, warp * rows, (warp + 1) * rows,
        RowsOf<Type>(call.dk, place.key_row, place.keys, kv_heads, kv_head, width, call.chunks),
        place.first);
  Store(v_tile, warp * rows, (warp + 1) * rows,
        RowsOf<Type>(call.dv, place.key_row, place.keys, kv_heads, kv_head, width, call.chunks),
        place.first);
}

}  // namespace cuda
}  // namespace knl
