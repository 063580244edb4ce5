// What the forward and the backward of attention on Hopper GPUs share: where a block works,
// how it copies, and how its sums leave it.
#pragma once

#include <cmath>
#include <cstdint>

#include "attention.h"
#include "cuda_architectures.h"
#include "cuda_hopper_instructions.h"
#include "dropout.h"

struct CUstream_st;

namespace knl {
namespace cuda {

constexpr int kHopperFar = 1 << 30;      // a window's open side
constexpr int kHopperLongest = 1 << 28;  // T and S

// ---- Where a block works ----

struct HopperSizes {
  const int64_t *query_splits, *key_splits;  // null unless packed
  int batch, queries, keys, heads;
  int heads_per_kv_head;
  float scale;
  int window_left, window_right;  // at most kHopperFar
  const uint32_t* seed;           // [2], of dropout; null without
  uint32_t threshold;             // times 65536: below it, 16 bits drop
  float growth;                   // of weights that are not dropped
};

struct HopperPlace {
  int head, sequence;       // sequence -1: nothing is left to do
  int first_row;            // of the block, in its sequence
  int queries, keys;        // of the sequence
  int first_query, first_key;  // the sequence's in a packed array, else 0
};

// Finds the sequence to which block `slot` belongs, where each has one for every kRows of the
// rows that `splits` tells of; by a warp.
template <int kRows>
KNL_DEVICE void FindSequence(const HopperSizes& a, const int64_t* splits, int slot,
                             HopperPlace* place) {
  const int lane = Thread() % 32;
  int before = 0;  // blocks of earlier sequences
  for (int begin = 0; begin < a.batch; begin += 32) {
    const int b = begin + lane;
    const int64_t rows = b < a.batch ? splits[b + 1] - splits[b] : 0;
    const int blocks = static_cast<int>((rows + kRows - 1) / kRows);
    int end = blocks;  // with those of lower lanes
    KNL_UNROLL
    for (int step = 1; step < 32; step *= 2) {
      const int lower = Shuffle(end, (lane - step) & 31);
      if (lane >= step) end += lower;
    }
    const int mine = slot - before - (end - blocks);
    if (mine >= 0 && mine < blocks) {
      place->sequence = b;
      place->first_row = mine * kRows;
      place->first_query = static_cast<int>(a.query_splits[b]);
      place->queries = static_cast<int>(a.query_splits[b + 1] - a.query_splits[b]);
      place->first_key = static_cast<int>(a.key_splits[b]);
      place->keys = static_cast<int>(a.key_splits[b + 1] - a.key_splits[b]);
    }
    before += Shuffle(end, 31);
    if (before > slot) return;
  }
  if (lane == 0) place->sequence = -1;
}

// ---- Copying ----

// A tile of kRows rows of `map`, by one thread; its bytes are announced already.
template <int kRows, int kWidth>
KNL_DEVICE void CopyTile(uint8_t* to, const TensorMap& map, Barrier* there, int head, int row,
                         int batch) {
  KNL_UNROLL
  for (int panel = 0; panel < kWidth / 64; ++panel) {
    CopyBox(to + panel * kRows * 128, map, there, panel * 64, head, row, batch);
  }
}

// What is copied beside a tile.
struct HopperMore {
  void* to = nullptr;
  const void* from = nullptr;
  int bytes = 0;
};

// Copies tiles, by a warp.
struct HopperCopier {
  bool packed;
  int batch;         // in maps
  Barrier* patched;  // one arrival a phase
  int parity = 0;

  // Arrives once at `there`. Rows from `kept` on become zeros: in a packed array they belong to
  // the next sequence, and weights of zero would not do if those were infinite or NaN.
  template <int kRows, int kWidth>
  KNL_DEVICE void Copy(uint8_t* to, const TensorMap& map, Barrier* there, int head, int row,
                       int kept, HopperMore more = {}) {
    constexpr int kBytes = kRows * kWidth * 2;
    const int lane = Thread() % 32;
    const bool patches = packed && kept < kRows;
    if (patches) {
      if (lane == 0) {
        ArriveAndExpect(patched, kBytes);
        CopyTile<kRows, kWidth>(to, map, patched, head, row, batch);
      }
      WaitForPhase(patched, parity);
      parity ^= 1;
      for (int i = kept * (kWidth / 8) + lane; i < kRows * (kWidth / 8); i += 32) {
        uint64_t* chunk = reinterpret_cast<uint64_t*>(
            to + InTile<kRows>(i / (kWidth / 8), i % (kWidth / 8) * 8));
        chunk[0] = chunk[1] = 0;
      }
      FenceShared();
      SyncWarp();
    }
    if (lane != 0) return;
    ArriveAndExpect(there, (patches ? 0 : kBytes) + more.bytes);
    if (!patches) CopyTile<kRows, kWidth>(to, map, there, head, row, batch);
    if (more.bytes > 0) CopyBytes(more.to, more.from, more.bytes, there);
  }
};

// ---- Products ----

// c [64, kColumns] = a b^T, begun: `a` has 64 rows of a tile of kRows, `b` is one of kColumns.
template <Element kElement, int kRows, int kColumns, int kWidth>
KNL_DEVICE void BeginScores(float (&c)[kColumns / 2], uint64_t a, uint64_t b) {
  KNL_UNROLL
  for (int d = 0; d < kWidth; d += 16) {
    MultiplyTiles<kElement, kColumns, false, false>(c, AtTile<kRows>(a, 0, d),
                                                    AtTile<kColumns>(b, 0, d), d > 0);
  }
  CommitProducts();
}

// c [64, kWidth] += a b, begun: `a` is in registers, and `b` a tile of kRows.
template <Element kElement, int kRows, int kWidth>
KNL_DEVICE void BeginOutputs(float (&c)[kWidth / 2], const uint32_t (&a)[kRows / 4],
                             uint64_t b) {
  KNL_UNROLL
  for (int row = 0; row < kRows; row += 16) {
    MultiplyTile<kElement, kWidth, true>(c, a + row / 4,
                                         AtTile<kRows>(TurnTile<kRows>(b), row, 0), true);
  }
  CommitProducts();
}

template <Element kElement>
KNL_DEVICE uint32_t Pack(float low, float high) {
  return kElement == Element::kBFloat16 ? PackBFloat16(low, high) : PackFloat16(low, high);
}

// A product's sums, in the places of registers that the next one reads.
template <Element kElement, int kSize>
KNL_DEVICE void PackAll(const float (&s)[kSize], uint32_t (&p)[kSize / 2]) {
  KNL_UNROLL
  for (int i = 0; i < kSize / 2; ++i) p[i] = Pack<kElement>(s[2 * i], s[2 * i + 1]);
}

// ---- Dropout ----

struct HopperSeed {
  uint32_t key[2];

  // What dropout.h has for this counter.
  KNL_DEVICE void Words(uint32_t (&x)[4], int key_counter, int query_pair, int row) const {
    x[0] = key_counter, x[1] = query_pair, x[2] = row, x[3] = 0;
    uint32_t key0 = key[0], key1 = key[1];
    KNL_UNROLL
    for (int round = 0; round < philox::kRounds; ++round) {
      const uint32_t high0 = MultiplyHigh(philox::kMultiplier0, x[0]);
      const uint32_t high1 = MultiplyHigh(philox::kMultiplier1, x[2]);
      const uint32_t low0 = philox::kMultiplier0 * x[0], low1 = philox::kMultiplier1 * x[2];
      x[0] = high1 ^ x[1] ^ key0, x[1] = low1;
      x[2] = high0 ^ x[3] ^ key1, x[3] = low0;
      key0 += philox::kWeyl0, key1 += philox::kWeyl1;
    }
  }
};

// Of weights [queries, keys], bit i % 32 of number i / 32 is set if s[i] is dropped: `query` is
// this thread's first row, `key` the tile's first column, a multiple of 64.
template <int kCount>
KNL_DEVICE void FindDropped(uint32_t (&dropped)[kCount], HopperSeed seed, uint32_t threshold,
                            int row, int query, int key) {
  const int lane = Thread() % 32;
  const bool odd = lane / 4 % 2 == 1;  // the queries of a pair are four lanes apart
  KNL_UNROLL
  for (uint32_t& bits : dropped) bits = 0;
  KNL_AS_LOOP  // or it would wait until it is needed, and for registers
  for (int half = 0; half < 2; ++half) {
    KNL_UNROLL
    for (int block = 0; block < kCount; ++block) {
      uint32_t words[2][2][2];  // [keys % 16 / 8, keys % 2, keys % 64 / 32]
      KNL_UNROLL
      for (int e = 0; e < 2; ++e) {
        // Of a pair of queries, one thread makes the words of keys % 16 < 8, one the others.
        uint32_t x[4];
        seed.Words(x, key / 4 + block * 16 + lane % 4 * 2 + e + (odd ? 8 : 0),
                   (query + 8 * half) / 2, row);
        KNL_UNROLL
        for (int a = 0; a < 2; ++a) {
          const uint32_t mine = odd ? x[2 + a] : x[a];
          const uint32_t its = ShuffleXor(odd ? x[a] : x[2 + a], 4);
          words[0][e][a] = odd ? its : mine;
          words[1][e][a] = odd ? mine : its;
        }
      }
      uint32_t found = 0;
      KNL_UNROLL
      for (int j = 0; j < 8; ++j) {
        KNL_UNROLL
        for (int e = 0; e < 2; ++e) {
          const uint32_t word = words[j % 2][e][j / 4];
          const uint32_t bits = j / 2 % 2 == 0 ? word << 16 : word;
          found |= bits < threshold ? 1u << (4 * j + e) : 0u;
        }
      }
      dropped[block] |= found << 2 * half;
    }
  }
}

template <int kSize>
KNL_DEVICE void DropWeights(float (&s)[kSize], const uint32_t (&dropped)[kSize / 32]) {
  KNL_UNROLL
  for (int i = 0; i < kSize; ++i) s[i] = dropped[i / 32] >> i % 32 & 1 ? 0 : s[i];
}

// Of weights [keys, queries], bit i is set if s[i] is dropped: `key` is this thread's first
// row, `query` its first column.
template <int kSize>
KNL_DEVICE uint32_t DroppedOnes(HopperSeed seed, uint32_t threshold, int row, int query,
                                int key) {
  static_assert(kSize <= 32, "more than bits");
  uint32_t dropped = 0;
  KNL_AS_LOOP  // few registers are left here
  for (int i = 0; i < kSize; i += 4) {
    KNL_UNROLL
    for (int half = 0; half < 2; ++half) {
      uint32_t x[4];
      seed.Words(x, key / 64 * 16 + key % 16 + half * 8, query / 2 + i, row);
      KNL_UNROLL
      for (int e = 0; e < 2; ++e) {
        const uint32_t word = key / 32 % 2 == 0 ? x[2 * e] : x[2 * e + 1];
        const uint32_t bits = key / 16 % 2 == 0 ? word << 16 : word;
        dropped |= bits < threshold ? 1u << (i + 2 * half + e) : 0u;
      }
    }
  }
  return dropped;
}

// ---- Leaving ----

// What one thread copies at once.
struct alignas(16) HopperChunk {
  uint64_t low, high;
};

// A warp's 16 rows, packed, to rows `row` and on of a tile of kRows.
template <int kRows, int kSize>
KNL_DEVICE void StoreToTile(uint8_t* tile, int row, const uint32_t (&p)[kSize]) {
  const int lane = Thread() % 32;
  KNL_UNROLL
  for (int i = 0; i < kSize; i += 4) {
    StoreMatrices(tile + InTile<kRows>(row + lane % 16, (i / 2 + lane / 16) * 8), p + i);
  }
}

// A warp's 16 rows of sums, times what its threads have for their two, to the first `left` rows
// from `to` on, `stride` elements from one to the next; by way of rows `row` and on of a tile,
// so that a thread stores 16 bytes.
template <Element kElement, int kRows, int kWidth>
KNL_DEVICE void StoreRows(uint8_t* tile, int row, const float (&c)[kWidth / 2],
                          const float (&factor)[2], uint16_t* to, int64_t stride, int left) {
  const int lane = Thread() % 32;
  uint32_t p[kWidth / 4];
  KNL_UNROLL
  for (int i = 0; i < kWidth / 4; ++i) {
    p[i] = Pack<kElement>(c[2 * i] * factor[i % 2], c[2 * i + 1] * factor[i % 2]);
  }
  StoreToTile<kRows>(tile, row, p);
  SyncWarp();
  constexpr int kChunks = kWidth / 8;
  KNL_UNROLL
  for (int i = 0; i < kChunks / 2; ++i) {
    const int at = (i * 32 + lane) / kChunks, column = (i * 32 + lane) % kChunks * 8;
    if (at >= left) continue;
    *reinterpret_cast<HopperChunk*>(to + at * stride + column) =
        *reinterpret_cast<const HopperChunk*>(tile + InTile<kRows>(row + at, column));
  }
}

// ---- Calls ----

// Whether the current device, and kernels for Hopper, are made for this call.
inline bool HopperServes(const Attention& a) {
  if (a.element == Element::kFloat32 || (a.width != 64 && a.width != 128)) return false;
  if (!(a.scale > 0) || a.soft_cap != 0 || a.keep != nullptr || a.query_segments != nullptr ||
      a.bias != nullptr || a.slopes != nullptr) {
    return false;
  }
  for (int64_t size : {a.batch, a.queries, a.keys, a.heads}) {
    if (size < 1 || size > kHopperLongest) return false;
  }
  const bool packed = a.query_splits != nullptr;
  const double rows = static_cast<double>(a.queries > a.keys ? a.queries : a.keys);
  const double blocks = rows / 64 + (packed ? a.batch : 1);
  return blocks * a.heads * (packed ? 1 : a.batch) < kHopperFar &&
         IsHopper(Gpu().version);
}

inline bool IsAlignedForHopper(const void* array) {
  return reinterpret_cast<uintptr_t>(array) % 16 == 0;
}

// `seed` is on the device, and null without dropout.
inline HopperSizes SizesOf(const Attention& a, const uint32_t* seed) {
  const auto side = [](int64_t window) {
    return static_cast<int>(window < 0 || window > kHopperFar ? kHopperFar : window);
  };
  HopperSizes sizes;
  sizes.query_splits = a.query_splits, sizes.key_splits = a.key_splits;
  sizes.batch = static_cast<int>(a.batch), sizes.queries = static_cast<int>(a.queries);
  sizes.keys = static_cast<int>(a.keys), sizes.heads = static_cast<int>(a.heads);
  sizes.heads_per_kv_head = static_cast<int>(a.heads / a.kv_heads);
  sizes.scale = a.scale;
  sizes.window_left = side(a.window_left), sizes.window_right = side(a.window_right);
  const uint32_t threshold = static_cast<uint32_t>(std::lround(a.dropout * 65536.0));
  sizes.seed = threshold > 0 ? seed : nullptr;
  sizes.threshold = threshold << 16;
  sizes.growth = 65536.0f / static_cast<float>(65536 - threshold);
  return sizes;
}

// Of q or dout in boxes of `box_rows`; and of k or v.
inline const char* MapQueries(TensorMap* map, const Attention& a, const void* array,
                              int box_rows) {
  return MakeTensorMap(map, a.element, array, a.query_splits != nullptr ? 1 : a.batch,
                       a.queries, a.heads, a.width, box_rows);
}

inline const char* MapKeys(TensorMap* map, const Attention& a, const void* array,
                           int box_rows) {
  return MakeTensorMap(map, a.element, array, a.key_splits != nullptr ? 1 : a.batch, a.keys,
                       a.kv_heads, a.width, box_rows);
}

}  // namespace cuda
}  // namespace knl
