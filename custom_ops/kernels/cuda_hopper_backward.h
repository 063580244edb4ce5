// Attention backward on Hopper GPUs, for what cuda_hopper_forward.h serves.
//
// A block makes 128 rows of dk and dv, 64 for each of its two groups of four warps, over all
// queries that see them, of all heads that share them. Scores are made transposed, keys by
// queries, so that weights and their gradients leave the products' sums as operands of those
// that make dv and dk; only for dq do they go through shared memory, where both groups' meet.
//
// dq is summed in scratch, in whatever order blocks come, as floats in the order of the
// products' registers. A kernel before clears it and makes of each row what its softmax needs;
// a kernel behind it brings dq into order.
//
// After Dao, "FlashAttention-2", arXiv:2307.08691, and Shah et al., "FlashAttention-3",
// arXiv:2407.08608.
#pragma once

#include <cmath>
#include <type_traits>

#include "cuda_hopper_parts.h"

namespace knl {
namespace cuda {

template <Element kTheElement, int kTheWidth, bool kTheDrops = false>
struct HopperBackwardShape {
  static constexpr Element kElement = kTheElement;
  static constexpr int kWidth = kTheWidth;
  static constexpr bool kDrops = kTheDrops;
  static constexpr int kKeys = 128;    // of a block
  static constexpr int kQueries = 64;  // of a tile
  static constexpr int kStages = 2;
  static constexpr int kThreads = 384;  // the first 128 copy
  static constexpr int kCopyRegisters = 24, kRegisters = 240;

  static constexpr int kKeyBytes = kKeys * kWidth * 2;
  static constexpr int kQueryBytes = kQueries * kWidth * 2;
  static constexpr int kScoreBytes = kKeys * kQueries * 2;
  struct Rest {
    float lse[kStages][kQueries], delta[kStages][kQueries];
    Barrier keys, q[kStages], dout[kStages], read[kStages], patched;
    HopperPlace place;
  };
  static constexpr int kSharedBytes = 2 * kKeyBytes + 2 * kStages * kQueryBytes +
                                      2 * kScoreBytes + static_cast<int>(sizeof(Rest));

  static KNL_DEVICE uint8_t* Keys() { return Shared(); }
  static KNL_DEVICE uint8_t* Values() { return Shared() + kKeyBytes; }
  static KNL_DEVICE uint8_t* Queries(int stage) {
    return Shared() + 2 * kKeyBytes + stage * kQueryBytes;
  }
  static KNL_DEVICE uint8_t* Dout(int stage) { return Queries(kStages + stage); }
  // Gradients of scores [keys, queries].
  static KNL_DEVICE uint8_t* Scores(int i) {
    return Queries(2 * kStages) + i * kScoreBytes;
  }
  static KNL_DEVICE Rest& Others() { return *reinterpret_cast<Rest*>(Scores(2)); }
};

// ---- Scratch ----

// Rows of queries by head, and not packed by batch, too; each sequence begins at a tile.
struct HopperScratch {
  float* dq;            // [heads, rows, D], a tile's in the order of DqAt
  float *lse, *delta;   // [heads, rows]; by what dropping below to 2^x takes, and what dscores
  int64_t rows;

  template <int kTile>
  static KNL_HOST_DEVICE int64_t RowsOf(int64_t batch, int64_t queries, bool packed) {
    return packed ? FirstRow<kTile>(queries, batch) : (queries + kTile - 1) / kTile * kTile;
  }
  // Of packed sequence b, which begins at query `first`.
  template <int kTile>
  static KNL_HOST_DEVICE int64_t FirstRow(int64_t first, int64_t b) {
    return (first + b * kTile) / kTile * kTile;
  }
};

// Where thread t has its sums 4 j and on of a tile of dq.
KNL_DEVICE int DqAt(int j, int t) { return (j * 128 + t) * 4; }

struct HopperBackwardArguments {
  HopperSizes sizes;
  HopperScratch scratch;
  const void *out, *dout;
  const float *lse, *dlse;  // dlse may be null
  void *dq, *dk, *dv;
  int blocks, kv_heads;
};

// ---- Before and behind ----

// A thread's 8 elements of a query.
struct HopperPart {
  int part, head, sequence;
  int64_t scratch_row;  // of HopperScratch, with its head
  int64_t row;          // in arrays [rows, heads, D], with its head; -1: there is none
};

template <class Shape>
KNL_DEVICE HopperPart FindPart(const HopperBackwardArguments& a) {
  constexpr int kParts = Shape::kWidth / 8, kTile = Shape::kQueries;
  const HopperSizes& sizes = a.sizes;
  const int64_t id = int64_t{BlockIndex().x} * 256 + Thread();
  HopperPart part;
  part.part = static_cast<int>(id % kParts);
  part.head = static_cast<int>(id / kParts % sizes.heads);
  int64_t padded = id / kParts / sizes.heads, query;
  part.row = -1;
  if (sizes.query_splits == nullptr) {
    part.sequence = static_cast<int>(padded / a.scratch.rows);
    padded %= a.scratch.rows;
    if (part.sequence >= sizes.batch) return part;
    query = padded;
    part.scratch_row =
        (int64_t{part.sequence} * sizes.heads + part.head) * a.scratch.rows + padded;
    if (query < sizes.queries) {
      part.row = (int64_t{part.sequence} * sizes.queries + query) * sizes.heads + part.head;
    }
    return part;
  }
  int low = 0, high = sizes.batch;  // the last sequence that begins at or before `padded`
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    const bool before =
        HopperScratch::FirstRow<kTile>(sizes.query_splits[middle], middle) <= padded;
    (before ? low : high) = middle;
  }
  part.sequence = padded < a.scratch.rows ? low : sizes.batch;
  if (part.sequence >= sizes.batch) return part;
  part.scratch_row = part.head * a.scratch.rows + padded;
  query = padded - HopperScratch::FirstRow<kTile>(sizes.query_splits[low], low);
  if (query < sizes.query_splits[low + 1] - sizes.query_splits[low]) {
    part.row = (sizes.query_splits[low] + query) * sizes.heads + part.head;
  }
  return part;
}

template <Element kElement>
KNL_DEVICE float Unpack(uint64_t chunk, int i) {
  const uint16_t bits = static_cast<uint16_t>(chunk >> 16 * i);
  return kElement == Element::kBFloat16 ? FromBFloat16(bits) : FromFloat16(bits);
}

template <class Shape>
KNL_KERNEL(256, 1)
HopperBackwardBefore(KNL_GRID_CONSTANT const HopperBackwardArguments a) {
#if KNL_HOPPER
  constexpr int kParts = Shape::kWidth / 8;
  const HopperPart part = FindPart<Shape>(a);
  float sum = 0;
  if (part.row >= 0) {
    const int64_t at = part.row * kParts + part.part;
    const HopperChunk out = static_cast<const HopperChunk*>(a.out)[at];
    const HopperChunk dout = static_cast<const HopperChunk*>(a.dout)[at];
    KNL_UNROLL
    for (int i = 0; i < 4; ++i) {
      sum += Unpack<Shape::kElement>(out.low, i) * Unpack<Shape::kElement>(dout.low, i);
      sum += Unpack<Shape::kElement>(out.high, i) * Unpack<Shape::kElement>(dout.high, i);
    }
  }
  KNL_UNROLL
  for (int mask = 1; mask < kParts; mask *= 2) sum += ShuffleXor(sum, mask);
  if (part.sequence >= a.sizes.batch) return;
  HopperChunk* dq = reinterpret_cast<HopperChunk*>(
      a.scratch.dq + part.scratch_row * Shape::kWidth + part.part * 8);
  dq[0] = dq[1] = {0, 0};
  if (part.part != 0) return;
  // Rows that there are not, and those that see no key, weigh nothing.
  float lse = INFINITY, delta = 0;
  if (part.row >= 0) {
    const float its = a.lse[part.row];
    if (its != -INFINITY) lse = its * 1.44269504088896f;
    delta = a.dlse == nullptr ? sum : sum - a.dlse[part.row];
  }
  a.scratch.lse[part.scratch_row] = lse;
  a.scratch.delta[part.scratch_row] = delta;
#else
  __trap();  // IsHopper was to keep calls away
#endif
}

template <class Shape>
KNL_KERNEL(256, 1)
HopperBackwardBehind(KNL_GRID_CONSTANT const HopperBackwardArguments a) {
#if KNL_HOPPER
  const HopperPart part = FindPart<Shape>(a);
  if (part.row < 0) return;
  const int row = static_cast<int>(part.scratch_row % Shape::kQueries);
  const int thread = row / 16 * 32 + row % 8 * 4;
  const float* from = a.scratch.dq + (part.scratch_row - row) * Shape::kWidth +
                      DqAt(part.part, thread) + row % 16 / 8 * 2;
  uint32_t packed[4];
  KNL_UNROLL
  for (int i = 0; i < 4; ++i) {
    packed[i] = Pack<Shape::kElement>(from[4 * i] * a.sizes.scale,
                                      from[4 * i + 1] * a.sizes.scale);
  }
  static_cast<HopperChunk*>(a.dq)[part.row * (Shape::kWidth / 8) + part.part] = {
      packed[0] | uint64_t{packed[1]} << 32, packed[2] | uint64_t{packed[3]} << 32};
#else
  __trap();  // IsHopper was to keep calls away
#endif
}

// ---- Where a block works ----

// Causal, the first keys are seen by the most queries: their blocks go first.
template <class Shape>
KNL_DEVICE void FindKeys(const HopperBackwardArguments& a) {
  HopperPlace* place = &Shape::Others().place;
  const int head = BlockIndex().x / a.blocks, slot = BlockIndex().x % a.blocks;
  const HopperSizes& sizes = a.sizes;
  if (sizes.key_splits != nullptr) {
    FindSequence<Shape::kKeys>(sizes, sizes.key_splits, slot, place);
    if (Thread() == 0) place->head = head;
  } else if (Thread() == 0) {
    *place = {head % a.kv_heads, head / a.kv_heads, slot * Shape::kKeys, sizes.queries,
              sizes.keys, 0, 0};
  }
}

// The tiles of queries that see some key of the block: from `first` on, `count` of them, for
// each of the heads that share the keys.
struct HopperSeers {
  int first = 0, count = 0;
};

template <class Shape>
KNL_DEVICE HopperSeers SeeingTiles(const HopperSizes& a) {
  const HopperPlace place = Shape::Others().place;
  const int shift = place.keys - place.queries;  // from query to position
  const int last_key = (place.first_row + Shape::kKeys < place.keys
                            ? place.first_row + Shape::kKeys : place.keys) - 1;
  int first = place.first_row - a.window_right - shift;
  int end = last_key + a.window_left - shift + 1;
  first = first < 0 ? 0 : first;
  end = end < place.queries ? end : place.queries;
  HopperSeers tiles;
  if (first >= end) return tiles;
  tiles.first = first / Shape::kQueries;
  tiles.count = (end - 1) / Shape::kQueries + 1 - tiles.first;
  return tiles;
}

// Where a head's rows begin in scratch.
template <class Shape>
KNL_DEVICE int64_t ScratchRow(const HopperBackwardArguments& a, const HopperPlace& place,
                              int head) {
  return a.sizes.query_splits != nullptr
             ? head * a.scratch.rows + HopperScratch::FirstRow<Shape::kQueries>(
                                           place.first_query, place.sequence)
             : (int64_t{place.sequence} * a.sizes.heads + head) * a.scratch.rows;
}

// ---- Copying ----

struct HopperBackwardMaps {
  TensorMap q, k, v, dout;
};

template <class Shape>
KNL_DEVICE void CopyAllBackward(const HopperBackwardArguments& a,
                                const HopperBackwardMaps& maps, HopperSeers tiles) {
  constexpr int kQueries = Shape::kQueries, kKeys = Shape::kKeys, kWidth = Shape::kWidth;
  auto& rest = Shape::Others();
  const HopperPlace place = rest.place;
  const bool packed = a.sizes.query_splits != nullptr;
  HopperCopier copier = {packed, packed ? 0 : place.sequence, &rest.patched};
  const int key = place.first_key + place.first_row, keys = place.keys - place.first_row;
  copier.Copy<kKeys, kWidth>(Shape::Keys(), maps.k, &rest.keys, place.head, key, keys);
  copier.Copy<kKeys, kWidth>(Shape::Values(), maps.v, &rest.keys, place.head, key, keys);

  int stage = 0, parity = 1;
  for (int of_kv_head = 0; of_kv_head < a.sizes.heads_per_kv_head; ++of_kv_head) {
    const int head = place.head * a.sizes.heads_per_kv_head + of_kv_head;
    const int64_t scratch_row = ScratchRow<Shape>(a, place, head);
    for (int i = 0; i < tiles.count; ++i) {
      const int begin = (tiles.first + i) * kQueries;
      const int row = place.first_query + begin, left = place.queries - begin;
      WaitForPhase(&rest.read[stage], parity);
      copier.Copy<kQueries, kWidth>(
          Shape::Queries(stage), maps.q, &rest.q[stage], head, row, left,
          {rest.lse[stage], a.scratch.lse + scratch_row + begin, kQueries * 4});
      copier.Copy<kQueries, kWidth>(
          Shape::Dout(stage), maps.dout, &rest.dout[stage], head, row, left,
          {rest.delta[stage], a.scratch.delta + scratch_row + begin, kQueries * 4});
      stage ^= 1;
      if (stage == 0) parity ^= 1;
    }
  }
}

// ---- A group of four warps ----

// Scores [keys, queries] of queries that do not see a key become -infinity. s[0]'s key is seen
// by queries from `first` on and before `end`, counted from s[0]'s; the lower row's by those 8
// on. Of keys, `left` are there from s[0]'s on.
template <int kSize>
KNL_DEVICE void HideQueries(float (&s)[kSize], int first, int end, int left) {
  KNL_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int stop = 8 * half < left ? end + 8 * half : 0;
    KNL_UNROLL
    for (int i = 2 * half; i < kSize; i += 4) {
      KNL_UNROLL
      for (int e = 0; e < 2; ++e) {
        const int query = i / 4 * 8 + e;
        if (query < first + 8 * half || query >= stop) s[i + e] = -INFINITY;
      }
    }
  }
}

// dq [64, 64] = ds^T k, begun; of k a panel.
template <class Shape>
KNL_DEVICE void BeginDq(float (&dq)[32], uint64_t ds, uint64_t k) {
  KNL_UNROLL
  for (int key = 0; key < Shape::kKeys; key += 16) {
    MultiplyTiles<Shape::kElement, 64, true, true>(
        dq, AtTile<Shape::kKeys>(TurnTile<Shape::kKeys>(ds), key, 0),
        AtTile<Shape::kKeys>(TurnTile<Shape::kKeys>(k), key, 0), key > 0);
  }
  CommitProducts();
}

template <class Shape>
KNL_DEVICE void Differentiate(const HopperBackwardArguments& a, int group, HopperSeers tiles) {
  constexpr Element kElement = Shape::kElement;
  constexpr int kKeys = Shape::kKeys, kQueries = Shape::kQueries, kWidth = Shape::kWidth;
  auto& rest = Shape::Others();
  const HopperPlace place = rest.place;
  const HopperSizes& sizes = a.sizes;
  const int warp = Thread() / 32 % 4, lane = Thread() % 32;
  const bool releases = lane == 0;
  const float scale = sizes.scale * 1.44269504088896f;

  const int tile_row = group * 64 + warp * 16;
  const int row = place.first_row + tile_row;   // the warp's first key
  const int group_row = place.first_row + group * 64;
  const int shift = place.keys - place.queries;
  const int column = lane % 4 * 2;

  const uint64_t k_tile = DescribeTile(Shape::Keys());
  const uint64_t k = AtTile<kKeys>(k_tile, group * 64, 0);
  const uint64_t v = AtTile<kKeys>(DescribeTile(Shape::Values()), group * 64, 0);
  const uint64_t q = DescribeTile(Shape::Queries(0)), dout = DescribeTile(Shape::Dout(0));
  const uint64_t ds_tile = DescribeTile(Shape::Scores(0));
  constexpr int kStep = Shape::kQueryBytes / 16, kScoreStep = Shape::kScoreBytes / 16;

  float dk[kWidth / 2], dv[kWidth / 2];
  KNL_UNROLL
  for (int i = 0; i < kWidth / 2; ++i) dk[i] = dv[i] = 0;

  if (tiles.count > 0) {
    WaitForPhase(&rest.keys, 0);

    const int last_begin = (tiles.first + tiles.count - 1) * kQueries;
    const int end_head = (place.head + 1) * sizes.heads_per_kv_head;
    int head = end_head - sizes.heads_per_kv_head, begin = tiles.first * kQueries;
    for (int i = 0; head < end_head; ++i) {
      const int stage = i % 2, phase = i / 2 % 2;
      float s[kQueries / 2], dp[kQueries / 2];
      uint32_t p[kQueries / 4], ds[kQueries / 4];
      WaitForPhase(&rest.q[stage], phase);
      Pin(s);
      FenceProducts();
      BeginScores<kElement, kKeys, kQueries, kWidth>(s, k, q + stage * kStep);
      WaitForPhase(&rest.dout[stage], phase);
      Pin(dp);
      FenceProducts();
      BeginScores<kElement, kKeys, kQueries, kWidth>(dp, v, dout + stage * kStep);
      uint32_t dropped = 0;  // a bit for each
      if constexpr (Shape::kDrops) {
        // Read anew for each tile: registers are short, and the keys of all rounds would be kept.
        const HopperSeed seed = {{sizes.seed[0], sizes.seed[1]}};
        dropped = DroppedOnes<kQueries / 2>(seed, sizes.threshold,
                                            place.sequence * sizes.heads + head, begin + column,
                                            row + lane / 4);
      }
      WaitForProducts<1>();
      Pin(s);

      // Weights.
      const bool all_see = group_row + 63 <= begin + shift + sizes.window_right &&
                           group_row >= begin + kQueries - 1 + shift - sizes.window_left &&
                           group_row + 63 < place.keys;
      if (!all_see) {
        const int query = row + lane / 4 - shift - begin - column;
        HideQueries(s, query - sizes.window_right, query + sizes.window_left + 1,
                    place.keys - row - lane / 4);
      }
      KNL_UNROLL
      for (int j = 0; j < kQueries / 2; j += 4) {
        const float lse[2] = {rest.lse[stage][j * 2 + column],
                              rest.lse[stage][j * 2 + column + 1]};
        KNL_UNROLL
        for (int e = 0; e < 4; ++e) s[j + e] = Exp2(s[j + e] * scale - lse[e % 2]);
      }
      if constexpr (Shape::kDrops) {
        KNL_UNROLL
        for (int j = 0; j < kQueries / 4; ++j) {
          p[j] = Pack<kElement>(dropped >> 2 * j & 1 ? 0 : s[2 * j],
                                dropped >> 2 * j & 2 ? 0 : s[2 * j + 1]);
        }
      } else {
        PackAll<kElement>(s, p);
      }
      Pin(p);
      Pin(dv);
      FenceProducts();
      BeginOutputs<kElement, kQueries, kWidth>(dv, p, dout + stage * kStep);

      // Gradients of scores.
      WaitForProducts<1>();
      Pin(dp);
      KNL_UNROLL
      for (int j = 0; j < kQueries / 2; j += 4) {
        const float delta[2] = {rest.delta[stage][j * 2 + column],
                                rest.delta[stage][j * 2 + column + 1]};
        KNL_UNROLL
        for (int e = 0; e < 4; ++e) {
          if (Shape::kDrops) dp[j + e] *= dropped >> (j + e) & 1 ? 0 : sizes.growth;
          s[j + e] *= dp[j + e] - delta[e % 2];
        }
      }
      PackAll<kElement>(s, ds);
      StoreToTile<kKeys>(Shape::Scores(stage), tile_row, ds);
      FenceShared();
      WaitForProducts<0>();
      Pin(dv);
      Pin(p);
      Pin(ds);
      Pin(dk);
      FenceProducts();
      BeginOutputs<kElement, kQueries, kWidth>(dk, ds, q + stage * kStep);

      // Of dq each group makes half the width; or where that is but a panel, all of it in turn.
      // Whoever has waited for the other's gradients of scores also knows that it is done with
      // those of the tile before, so that two buffers do.
      constexpr bool kTakesTurns = kWidth == 64;
      if (kTakesTurns && stage != group) {
        ArriveNamed(1 + stage, 256);
      } else {
        SyncNamed(1 + stage, 256);
        float dq[32];
        Pin(dq);
        FenceProducts();
        const int panel = kTakesTurns ? 0 : group;
        BeginDq<Shape>(dq, ds_tile + stage * kScoreStep, AtTile<kKeys>(k_tile, 0, panel * 64));
        WaitForProducts<0>();
        Pin(dq);
        float* sums = a.scratch.dq + (ScratchRow<Shape>(a, place, head) + begin) * kWidth;
        KNL_UNROLL
        for (int j = 0; j < 8; ++j) {
          AtomicAdd4(sums + DqAt(panel * 8 + j, Thread() % 128), dq + 4 * j);
        }
      }
      WaitForProducts<0>();
      Pin(dk);
      Pin(ds);
      if (releases) Arrive(&rest.read[stage]);

      begin = begin == last_begin ? (++head, tiles.first * kQueries) : begin + kQueries;
    }
  }

  // All of both groups' products are done with k and v.
  SyncNamed(3, 256);
  const int64_t first = (sizes.key_splits != nullptr ? int64_t{place.first_key}
                                                     : int64_t{place.sequence} * sizes.keys) +
                        row;
  const int64_t at = (first * a.kv_heads + place.head) * kWidth;
  const int64_t stride = int64_t{a.kv_heads} * kWidth;
  const float grown[2] = {sizes.growth, sizes.growth};
  const float scaled[2] = {sizes.scale, sizes.scale};
  StoreRows<kElement, kKeys, kWidth>(Shape::Values(), tile_row, dv, grown,
                                     static_cast<uint16_t*>(a.dv) + at, stride,
                                     place.keys - row);
  StoreRows<kElement, kKeys, kWidth>(Shape::Keys(), tile_row, dk, scaled,
                                     static_cast<uint16_t*>(a.dk) + at, stride,
                                     place.keys - row);
}

template <class Shape>
KNL_KERNEL(Shape::kThreads, 1)
HopperBackwardKernel(KNL_GRID_CONSTANT const HopperBackwardMaps maps,
                     KNL_GRID_CONSTANT const HopperBackwardArguments a) {
#if KNL_HOPPER
  auto& rest = Shape::Others();
  const int group = Shuffle(Thread() / 128, 0);  // as one number for a warp
  const int warp = Shuffle(Thread() / 32, 0);
  if (warp == 0) FindKeys<Shape>(a);
  if (Thread() == 32) {
    InitBarrier(&rest.keys, 2);
    InitBarrier(&rest.patched, 1);
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      InitBarrier(&rest.q[stage], 1);
      InitBarrier(&rest.dout[stage], 1);
      InitBarrier(&rest.read[stage], 8);
    }
    FenceBarriers();
  }
  SyncBlock();
  if (rest.place.sequence < 0) return;
  const HopperSeers tiles = SeeingTiles<Shape>(a.sizes);
  if (group == 0) {
    ShrinkRegisters<Shape::kCopyRegisters>();
    if (warp == 0 && tiles.count > 0) CopyAllBackward<Shape>(a, maps, tiles);
  } else {
    GrowRegisters<Shape::kRegisters>();
    Differentiate<Shape>(a, group - 1, tiles);
  }
#else
  __trap();  // IsHopper was to keep calls away
#endif
}

// ---- Calls ----

// Whether HopperBackward is made for this call, and the current device for it.
inline bool HopperBackwardServes(const Attention& a, const void* q, const void* k,
                                 const void* v, const void* out, const void* dout,
                                 const void* dq, const void* dk, const void* dv) {
  for (const void* array : {q, k, v, out, dout, dq, dk, dv}) {
    if (!IsAlignedForHopper(array)) return false;
  }
  return HopperServes(a);
}

inline int64_t HopperScratchRows(const Attention& a) {
  return HopperScratch::RowsOf<64>(a.batch, a.queries, a.query_splits != nullptr);
}

// Bytes that HopperBackward needs, aligned to 256: D + 2 floats for each query and head, where
// a sequence's queries count as whole tiles of 64.
inline int64_t HopperBackwardScratchBytes(const Attention& a) {
  const int64_t heads = a.heads * (a.query_splits != nullptr ? 1 : a.batch);
  return HopperScratchRows(a) * heads * (a.width + 2) * 4;
}

template <class Shape>
const char* LaunchHopperBackward(const Attention& a, const void* q, const void* k,
                                 const void* v, const HopperBackwardArguments& arguments,
                                 CUstream_st* stream) {
  const bool packed = a.query_splits != nullptr;
  HopperBackwardMaps maps;
  const char* error = MapQueries(&maps.q, a, q, Shape::kQueries);
  if (error == nullptr) error = MapQueries(&maps.dout, a, arguments.dout, Shape::kQueries);
  if (error == nullptr) error = MapKeys(&maps.k, a, k, Shape::kKeys);
  if (error == nullptr) error = MapKeys(&maps.v, a, v, Shape::kKeys);
  if (error != nullptr) return error;
  const int64_t rows = arguments.scratch.rows * a.heads * (packed ? 1 : a.batch);
  const int64_t parts = rows * (Shape::kWidth / 8);
  const Grid for_parts = {static_cast<unsigned>((parts + 255) / 256), 1, 1};
  const Grid for_keys = {static_cast<unsigned>(arguments.blocks * a.kv_heads *
                                               (packed ? 1 : a.batch)), 1, 1};
  error = Launch(HopperBackwardBefore<Shape>, {for_parts, 256, 0, stream}, arguments);
  if (error == nullptr) {
    error = Launch(HopperBackwardKernel<Shape>,
                   {for_keys, Shape::kThreads, Shape::kSharedBytes, stream}, maps, arguments);
  }
  if (error == nullptr) {
    error = Launch(HopperBackwardBehind<Shape>, {for_parts, 256, 0, stream}, arguments);
  }
  return error;
}

// What HopperBackwardServes. Null, or what went wrong. `dlse` may be null; and `seed`, without
// dropout.
inline const char* HopperBackward(const Attention& a, const uint32_t* seed, const void* q,
                                  const void* k, const void* v, const void* out,
                                  const float* lse, const void* dout, const float* dlse,
                                  void* dq, void* dk, void* dv, void* scratch,
                                  CUstream_st* stream) {
  const bool packed = a.query_splits != nullptr;
  HopperBackwardArguments arguments = {};
  arguments.sizes = SizesOf(a, seed);
  const int64_t rows = HopperScratchRows(a);
  const int64_t all = rows * a.heads * (packed ? 1 : a.batch);
  arguments.scratch.rows = rows;
  arguments.scratch.dq = static_cast<float*>(scratch);
  arguments.scratch.lse = arguments.scratch.dq + all * a.width;
  arguments.scratch.delta = arguments.scratch.lse + all;
  arguments.out = out, arguments.dout = dout, arguments.lse = lse, arguments.dlse = dlse;
  arguments.dq = dq, arguments.dk = dk, arguments.dv = dv;
  arguments.kv_heads = static_cast<int>(a.kv_heads);
  arguments.blocks = static_cast<int>(packed ? a.keys / 128 + a.batch : (a.keys + 127) / 128);

  const auto launch = [&](auto shape) {
    return LaunchHopperBackward<decltype(shape)>(a, q, k, v, arguments, stream);
  };
  const auto of = [&](auto element) {
    constexpr Element kElement = decltype(element)::value;
    if (arguments.sizes.seed != nullptr) {
      return a.width == 64 ? launch(HopperBackwardShape<kElement, 64, true>())
                           : launch(HopperBackwardShape<kElement, 128, true>());
    }
    return a.width == 64 ? launch(HopperBackwardShape<kElement, 64>())
                         : launch(HopperBackwardShape<kElement, 128>());
  };
  return a.element == Element::kBFloat16
             ? of(std::integral_constant<Element, Element::kBFloat16>())
             : of(std::integral_constant<Element, Element::kFloat16>());
}

}  // namespace cuda
}  // namespace knl
