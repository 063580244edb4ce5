// Attention forward on Hopper GPUs: bfloat16 and float16, heads 64 or 128 wide, without bias,
// soft cap, ALiBi, keep, segments and dropout.
//
// A block makes 64 rows of queries for each of its groups of four warps, over keys from the
// last that any of them sees to the first. One warp more keeps copying: a ring of tiles of k
// and one of v, with a barrier for "there" and one for "read" each. In a group, the scores of
// the next keys are begun before the weights of the present ones meet v, so that the softmax
// runs beside products; and groups take turns at beginning products, so that it runs beside
// those of others.
//
// After Shah et al., "FlashAttention-3", arXiv:2407.08608.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "attention.h"
#include "cuda_hopper_instructions.h"

struct CUstream_st;

namespace knl {
namespace cuda {

struct HopperForwardArguments {
  void* out;
  float* lse;  // may be null
  const int64_t *query_splits, *key_splits;  // null unless packed
  int batch, queries, keys, heads;
  int heads_per_kv_head;
  float scale;
  int window_left, window_right;  // at most kHopperFar
  int blocks;                     // for a head: of its batch's queries, or packed of all
  int heads_of_blocks;            // times how many heads: H, or not packed B H
  int section;                    // heads whose blocks run one after another
};

constexpr int kHopperFar = 1 << 30;         // a window's open side
constexpr int kHopperLongest = 1 << 29;     // T and S
constexpr int kHopperSectionBytes = 24 << 20;  // of k and v: about half of a cache of level 2

template <Element kTheElement, int kTheWidth, int kTheKeys, int kTheGroups>
struct HopperForwardShape {
  static constexpr Element kElement = kTheElement;
  static constexpr int kWidth = kTheWidth;
  static constexpr int kKeys = kTheKeys;  // of a tile
  static constexpr int kGroups = kTheGroups;
  static constexpr int kRows = 64 * kGroups;
  static constexpr int kThreads = 128 * (kGroups + 1);  // the first group copies
  static constexpr int kStages = kWidth == 64 ? 4 : 2;
  // All of a multiprocessor's 512 registers for a thread of each group.
  static constexpr int kCopyRegisters = kGroups == 2 ? 24 : 32;
  static constexpr int kRegisters = kGroups == 2 ? 240 : 160;

  static constexpr int kQueryBytes = kRows * kWidth * 2;
  static constexpr int kKeyBytes = kKeys * kWidth * 2;
  struct Rest {
    Barrier q, k[kStages], v[kStages], k_read[kStages], v_read[kStages], patched;
    // Which rows this block makes.
    int head, sequence, first_row, queries, keys, first_query, first_key;
  };
  static constexpr int kSharedBytes =
      kQueryBytes + 2 * kStages * kKeyBytes + static_cast<int>(sizeof(Rest));

  static KNL_DEVICE uint8_t* Queries() { return Shared(); }
  static KNL_DEVICE uint8_t* Keys(int stage) {
    return Shared() + kQueryBytes + stage * kKeyBytes;
  }
  static KNL_DEVICE uint8_t* Values(int stage) { return Keys(kStages + stage); }
  static KNL_DEVICE Rest& Others() { return *reinterpret_cast<Rest*>(Keys(2 * kStages)); }
};

// ---- Where a block works ----

// Finds the sequence that block `slot` of a head belongs to, by a warp; none: no row is left.
template <class Shape>
KNL_DEVICE void FindSequence(const HopperForwardArguments& a, int slot) {
  auto& rest = Shape::Others();
  const int lane = Thread() % 32;
  int before = 0;  // blocks of earlier sequences
  for (int begin = 0; begin < a.batch; begin += 32) {
    const int b = begin + lane;
    int64_t first = 0, queries = 0;
    if (b < a.batch) {
      first = a.query_splits[b];
      queries = a.query_splits[b + 1] - first;
    }
    const int blocks = static_cast<int>((queries + Shape::kRows - 1) / Shape::kRows);
    int end = blocks;  // with those of lower lanes
    KNL_UNROLL
    for (int step = 1; step < 32; step *= 2) {
      const int lower = Shuffle(end, (lane - step) & 31);
      if (lane >= step) end += lower;
    }
    const int mine = slot - before - (end - blocks);
    if (mine >= 0 && mine < blocks) {
      rest.sequence = b;
      rest.first_row = mine * Shape::kRows;
      rest.first_query = static_cast<int>(first);
      rest.queries = static_cast<int>(queries);
      rest.first_key = static_cast<int>(a.key_splits[b]);
      rest.keys = static_cast<int>(a.key_splits[b + 1] - a.key_splits[b]);
    }
    before += Shuffle(end, 31);
    if (before > slot) return;
  }
  if (lane == 0) rest.sequence = -1;
}

// Blocks with the most keys go first, so that none is left over when the others are done; but
// only within a few heads at a time, so that k and v stay in the cache.
template <class Shape>
KNL_DEVICE void FindPlace(const HopperForwardArguments& a) {
  auto& rest = Shape::Others();
  const int of_section = a.section * a.blocks;
  const int id = BlockIndex().x;
  const int section = id / of_section, in_section = id % of_section;
  const int first = section * a.section;
  const int heads = a.section < a.heads_of_blocks - first ? a.section
                                                          : a.heads_of_blocks - first;
  const int head = first + in_section % heads;
  const int slot = a.blocks - 1 - in_section / heads;
  const bool leads = Thread() == 0;
  if (leads) rest.head = head % a.heads;
  if (a.query_splits != nullptr) return FindSequence<Shape>(a, slot);
  if (!leads) return;
  rest.sequence = head / a.heads;
  rest.first_row = slot * Shape::kRows;
  rest.queries = a.queries;
  rest.keys = a.keys;
  rest.first_query = rest.first_key = 0;
}

// The tiles of keys that some row of the block sees: from `last` down, `count` of them.
struct HopperTiles {
  int last = 0, count = 0;
};

template <class Shape>
KNL_DEVICE HopperTiles SeenTiles(const HopperForwardArguments& a, int row, int queries,
                                 int keys) {
  const int rows = queries - row < Shape::kRows ? queries - row : Shape::kRows;
  const int position = row + keys - queries;
  int first = position - a.window_left;
  int end = position + rows - 1 + a.window_right + 1;
  first = first < 0 ? 0 : first;
  end = end < keys ? end : keys;
  HopperTiles tiles;
  if (first >= end) return tiles;
  tiles.last = (end - 1) / Shape::kKeys;
  tiles.count = tiles.last - first / Shape::kKeys + 1;
  return tiles;
}

// ---- Copying ----

template <class Shape, int kRows>
KNL_DEVICE void CopyTile(uint8_t* to, const TensorMap& map, Barrier* there, int head, int row,
                         int batch) {
  KNL_UNROLL
  for (int panel = 0; panel < Shape::kWidth / 64; ++panel) {
    CopyBox(to + panel * kRows * 128, map, there, panel * 64, head, row, batch);
  }
}

// The values of the last tile of a packed sequence, by a warp: rows behind its end belong to
// the next one, and their weights of zero would not do if those were infinite or NaN.
template <class Shape>
KNL_DEVICE void CopyLastValues(uint8_t* to, const TensorMap& map, Barrier* there, int head,
                               int row, int kept) {
  auto& rest = Shape::Others();
  const int lane = Thread() % 32;
  if (lane == 0) {
    ArriveAndExpect(&rest.patched, Shape::kKeyBytes);
    CopyTile<Shape, Shape::kKeys>(to, map, &rest.patched, head, row, 0);
  }
  WaitForPhase(&rest.patched, 0);
  constexpr int kChunks = Shape::kWidth / 8;
  for (int i = kept * kChunks + lane; i < Shape::kKeys * kChunks; i += 32) {
    uint64_t* chunk = reinterpret_cast<uint64_t*>(
        to + InTile<Shape::kKeys>(i / kChunks, i % kChunks * 8));
    chunk[0] = chunk[1] = 0;
  }
  FenceShared();
  SyncWarp();
  if (lane == 0) Arrive(there);
}

// All that a block reads, by one warp.
template <class Shape>
KNL_DEVICE void CopyAll(const HopperForwardArguments& a, const TensorMap& q_map,
                        const TensorMap& k_map, const TensorMap& v_map, HopperTiles tiles) {
  auto& rest = Shape::Others();
  const bool leads = Thread() % 32 == 0;
  const bool packed = a.query_splits != nullptr;
  const int batch = packed ? 0 : rest.sequence;
  const int kv_head = rest.head / a.heads_per_kv_head;
  const int keys = rest.keys, first_key = rest.first_key;

  const auto copy_keys = [&](int i) {
    const int stage = i % Shape::kStages;
    WaitForPhase(&rest.k_read[stage], i / Shape::kStages % 2 ^ 1);
    if (!leads) return;
    ArriveAndExpect(&rest.k[stage], Shape::kKeyBytes);
    CopyTile<Shape, Shape::kKeys>(Shape::Keys(stage), k_map, &rest.k[stage], kv_head,
                                  first_key + (tiles.last - i) * Shape::kKeys, batch);
  };
  const auto copy_values = [&](int i) {
    const int stage = i % Shape::kStages;
    const int begin = (tiles.last - i) * Shape::kKeys;
    WaitForPhase(&rest.v_read[stage], i / Shape::kStages % 2 ^ 1);
    if (packed && begin + Shape::kKeys > keys) {
      return CopyLastValues<Shape>(Shape::Values(stage), v_map, &rest.v[stage], kv_head,
                                   first_key + begin, keys - begin);
    }
    if (!leads) return;
    ArriveAndExpect(&rest.v[stage], Shape::kKeyBytes);
    CopyTile<Shape, Shape::kKeys>(Shape::Values(stage), v_map, &rest.v[stage], kv_head,
                                  first_key + begin, batch);
  };

  if (leads) {
    ArriveAndExpect(&rest.q, Shape::kQueryBytes);
    CopyTile<Shape, Shape::kRows>(Shape::Queries(), q_map, &rest.q, rest.head,
                                  rest.first_query + rest.first_row, batch);
  }
  copy_keys(0);
  for (int i = 0; i < tiles.count; ++i) {
    if (i + 1 < tiles.count) copy_keys(i + 1);
    copy_values(i);
  }
}

// ---- Softmax ----

// The softmax of a thread's two rows so far; scores in units where e^x is 2^x.
struct HopperSoftmax {
  float top[2] = {-INFINITY, -INFINITY};  // products, not scaled
  float sum[2] = {0, 0};                  // of this thread's columns

  // Turns products into weights; `shrink` is by what earlier weights are too large.
  template <int kSize>
  KNL_DEVICE void Weigh(float (&s)[kSize], float scale, float (&shrink)[2]) {
    KNL_UNROLL
    for (int half = 0; half < 2; ++half) {
      float even = top[half], odd = s[2 * half + 1];
      KNL_UNROLL
      for (int i = 0; i < kSize; i += 4) {
        even = fmaxf(even, s[i + 2 * half]);
        odd = fmaxf(odd, s[i + 2 * half + 1]);
      }
      float highest = fmaxf(even, odd);
      highest = fmaxf(highest, ShuffleXor(highest, 1));
      highest = fmaxf(highest, ShuffleXor(highest, 2));
      const float shift = Shift(highest, scale);
      shrink[half] = Exp2(top[half] * scale - shift);
      top[half] = highest;
      even = odd = 0;
      KNL_UNROLL
      for (int i = 0; i < kSize; i += 4) {
        even += s[i + 2 * half] = Exp2(s[i + 2 * half] * scale - shift);
        odd += s[i + 2 * half + 1] = Exp2(s[i + 2 * half + 1] * scale - shift);
      }
      sum[half] = sum[half] * shrink[half] + (even + odd);
    }
  }

  // A row that sees nothing so far has no highest score; its weights are 2^-infinity.
  static KNL_DEVICE float Shift(float highest, float scale) {
    return highest == -INFINITY ? 0 : highest * scale;
  }
};

// Scores of keys outside [first, end) become -infinity; both count from s[0]'s key, and grow
// by one for the lower row.
template <int kSize>
KNL_DEVICE void HideKeys(float (&s)[kSize], int first, int end, int keys) {
  KNL_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int stop = end + 8 * half < keys ? end + 8 * half : keys;
    KNL_UNROLL
    for (int i = 2 * half; i < kSize; i += 4) {
      KNL_UNROLL
      for (int e = 0; e < 2; ++e) {
        const int key = i / 4 * 8 + e;
        if (key < first + 8 * half || key >= stop) s[i + e] = -INFINITY;
      }
    }
  }
}

// ---- Products ----

// s [64, kKeys] = q k^T, begun.
template <class Shape>
KNL_DEVICE void BeginScores(float (&s)[Shape::kKeys / 2], uint64_t q, uint64_t k) {
  KNL_UNROLL
  for (int d = 0; d < Shape::kWidth; d += 16) {
    MultiplyTiles<Shape::kElement, Shape::kKeys, false, false>(
        s, AtTile<Shape::kRows>(q, 0, d), AtTile<Shape::kKeys>(k, 0, d), d > 0);
  }
  CommitProducts();
}

// o [64, kWidth] += p v, begun.
template <class Shape>
KNL_DEVICE void BeginOutputs(float (&o)[Shape::kWidth / 2], const uint32_t (&p)[Shape::kKeys / 4],
                             uint64_t v) {
  KNL_UNROLL
  for (int key = 0; key < Shape::kKeys; key += 16) {
    MultiplyTile<Shape::kElement, Shape::kWidth, true>(
        o, p + key / 4, AtTile<Shape::kKeys>(v, key, 0), true);
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

// ---- A group of four warps ----

// Whose turn it is to begin products.
template <class Shape>
struct HopperTurns {
  int group;

  KNL_DEVICE void Wait() const { SyncNamed(1 + group, 256); }
  KNL_DEVICE void Pass() const {
    ArriveNamed(1 + (group + 1 == Shape::kGroups ? 0 : group + 1), 256);
  }
  KNL_DEVICE bool IsLast() const { return group + 1 == Shape::kGroups; }
};

template <class Shape>
KNL_DEVICE void WriteRows(const HopperForwardArguments& a, int group, int row,
                          const float (&o)[Shape::kWidth / 2], const HopperSoftmax& softmax,
                          float scale) {
  const auto& rest = Shape::Others();
  const int warp = Thread() / 32 % 4, lane = Thread() % 32;
  const int64_t first = (a.query_splits != nullptr ? int64_t{rest.first_query}
                                                   : int64_t{rest.sequence} * a.queries) +
                        row + warp * 16;
  const int left = rest.queries - row - warp * 16;  // rows that there are

  float growth[2];
  KNL_UNROLL
  for (int half = 0; half < 2; ++half) {
    float sum = softmax.sum[half];
    sum += ShuffleXor(sum, 1);
    sum += ShuffleXor(sum, 2);
    growth[half] = sum > 0 ? 1 / sum : sum;  // a sum of NaN stays
    const int at = lane / 4 + 8 * half;
    if (a.lse != nullptr && lane % 4 == 0 && at < left) {
      constexpr float kLn2 = 0.693147180559945f;
      const float shift = HopperSoftmax::Shift(softmax.top[half], scale);
      a.lse[(first + at) * a.heads + rest.head] = (shift + Log2(sum)) * kLn2;
    }
  }

  // By way of what held the queries, so that a thread stores 16 bytes.
  uint8_t* tile = Shape::Queries();
  const int tile_row = group * 64 + warp * 16;
  SyncNamed(8 + group, 128);  // all have read them
  KNL_UNROLL
  for (int i = 0; i < Shape::kWidth / 2; i += 2) {
    const int half = i / 2 % 2;
    *reinterpret_cast<uint32_t*>(
        tile + InTile<Shape::kRows>(tile_row + lane / 4 + 8 * half, i / 4 * 8) + lane % 4 * 4) =
        Pack<Shape::kElement>(o[i] * growth[half], o[i + 1] * growth[half]);
  }
  SyncWarp();
  struct alignas(16) Chunk {
    uint64_t low, high;
  };
  constexpr int kChunks = Shape::kWidth / 8;
  KNL_UNROLL
  for (int i = lane; i < 16 * kChunks; i += 32) {
    const int at = i / kChunks, column = i % kChunks * 8;
    if (at >= left) continue;
    uint16_t* to = static_cast<uint16_t*>(a.out) +
                   ((first + at) * a.heads + rest.head) * Shape::kWidth + column;
    *reinterpret_cast<Chunk*>(to) =
        *reinterpret_cast<const Chunk*>(tile + InTile<Shape::kRows>(tile_row + at, column));
  }
}

template <class Shape>
KNL_DEVICE void Attend(const HopperForwardArguments& a, int group, HopperTiles tiles) {
  constexpr int kKeys = Shape::kKeys;
  auto& rest = Shape::Others();
  const int warp = Thread() / 32 % 4, lane = Thread() % 32;
  const bool releases = lane == 0;
  const HopperTurns<Shape> turns = {group};
  const float scale = a.scale * 1.44269504088896f;
  const int row = rest.first_row + group * 64;
  const int keys = rest.keys;

  // What rows see: this thread's first, all of the group's, and the keys from s[0]'s place on.
  const int group_position = row + keys - rest.queries;
  const int position = group_position + warp * 16 + lane / 4;
  const int place = lane % 4 * 2;
  const int all_see_from = group_position + 63 - a.window_left;
  const int all_see_to = group_position + a.window_right + 1;  // before it

  const uint64_t q =
      AtTile<Shape::kRows>(DescribeTile<Shape::kRows>(Shape::Queries()), group * 64, 0);
  const uint64_t k = DescribeTile<kKeys>(Shape::Keys(0));
  const uint64_t v = DescribeTile<kKeys>(Shape::Values(0));
  constexpr int kStep = Shape::kKeyBytes / 16;  // from stage to stage

  float o[Shape::kWidth / 2];
  KNL_UNROLL
  for (float& x : o) x = 0;
  HopperSoftmax softmax;

  if (tiles.count > 0) {
    float s[kKeys / 2], shrink[2];
    uint32_t p[kKeys / 4];
    const auto hide = [&](int i) {
      const int begin = (tiles.last - i) * kKeys;
      if (begin >= all_see_from && begin + kKeys <= all_see_to && begin + kKeys <= keys) return;
      HideKeys(s, position - a.window_left - begin - place,
               position + a.window_right + 1 - begin - place, keys - begin - place);
    };
    if (turns.IsLast() && tiles.count > 1) turns.Pass();

    WaitForPhase(&rest.q, 0);
    WaitForPhase(&rest.k[0], 0);
    Pin(s);
    FenceProducts();
    BeginScores<Shape>(s, q, k);
    WaitForProducts<0>();
    Pin(s);
    if (releases) Arrive(&rest.k_read[0]);
    hide(0);
    softmax.Weigh(s, scale, shrink);
    PackAll<Shape::kElement>(s, p);

    int stage = 0, phase = 0;  // of values; keys are one tile ahead
    for (int i = 1; i < tiles.count; ++i) {
      const int next = stage + 1 == Shape::kStages ? 0 : stage + 1;
      const int next_phase = next == 0 ? phase ^ 1 : phase;
      WaitForPhase(&rest.k[next], next_phase);
      turns.Wait();
      Pin(s);
      Pin(p);
      Pin(o);
      FenceProducts();
      BeginScores<Shape>(s, q, k + next * kStep);
      WaitForPhase(&rest.v[stage], phase);
      FenceProducts();
      BeginOutputs<Shape>(o, p, v + stage * kStep);
      if (!turns.IsLast() || i + 1 < tiles.count) turns.Pass();
      WaitForProducts<1>();
      Pin(s);
      if (releases) Arrive(&rest.k_read[next]);
      hide(i);
      softmax.Weigh(s, scale, shrink);
      WaitForProducts<0>();
      Pin(o);
      Pin(p);
      if (releases) Arrive(&rest.v_read[stage]);
      PackAll<Shape::kElement>(s, p);
      KNL_UNROLL
      for (int d = 0; d < Shape::kWidth / 2; ++d) o[d] *= shrink[d / 2 % 2];
      stage = next, phase = next_phase;
    }

    WaitForPhase(&rest.v[stage], phase);
    Pin(p);
    Pin(o);
    FenceProducts();
    BeginOutputs<Shape>(o, p, v + stage * kStep);
    WaitForProducts<0>();
    Pin(o);
  }
  WriteRows<Shape>(a, group, row, o, softmax, scale);
}

template <class Shape>
KNL_KERNEL(Shape::kThreads, 1)
HopperForward(KNL_GRID_CONSTANT const TensorMap q_map, KNL_GRID_CONSTANT const TensorMap k_map,
              KNL_GRID_CONSTANT const TensorMap v_map,
              KNL_GRID_CONSTANT const HopperForwardArguments a) {
#if KNL_HOPPER
  auto& rest = Shape::Others();
  const int group = Shuffle(Thread() / 128, 0);  // as one number for a warp
  const int warp = Shuffle(Thread() / 32, 0);
  if (warp == 0) FindPlace<Shape>(a);
  if (Thread() == 32) {
    PrefetchMap(q_map);
    PrefetchMap(k_map);
    PrefetchMap(v_map);
    InitBarrier(&rest.q, 1);
    InitBarrier(&rest.patched, 1);
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      InitBarrier(&rest.k[stage], 1);
      InitBarrier(&rest.v[stage], 1);
      InitBarrier(&rest.k_read[stage], 4 * Shape::kGroups);
      InitBarrier(&rest.v_read[stage], 4 * Shape::kGroups);
    }
    FenceBarriers();
  }
  SyncBlock();
  if (rest.sequence < 0) return;
  const HopperTiles tiles = SeenTiles<Shape>(a, rest.first_row, rest.queries, rest.keys);
  if (group == 0) {
    ShrinkRegisters<Shape::kCopyRegisters>();
    if (warp == 0 && tiles.count > 0) CopyAll<Shape>(a, q_map, k_map, v_map, tiles);
  } else {
    GrowRegisters<Shape::kRegisters>();
    Attend<Shape>(a, group - 1, tiles);
  }
#endif
}

// ---- Calls ----

// Whether the current device and HopperForward are made for this call.
inline bool HopperForwardServes(const Attention& a, const void* q, const void* k, const void* v,
                                const void* out) {
  if (a.element == Element::kFloat32 || (a.width != 64 && a.width != 128)) return false;
  if (!(a.scale > 0) || a.soft_cap != 0 || a.keep != nullptr || a.query_segments != nullptr ||
      a.bias != nullptr || a.slopes != nullptr || a.dropout != 0) {
    return false;
  }
  if (a.batch < 1 || a.queries < 1 || a.keys < 1 || a.batch > kHopperLongest ||
      a.queries > kHopperLongest || a.keys > kHopperLongest || a.heads > kHopperLongest) {
    return false;
  }
  const bool packed = a.query_splits != nullptr;
  const double blocks = a.queries / 128.0 + (packed ? a.batch : 1);
  if (blocks * a.heads * (packed ? 1 : a.batch) > kHopperFar) return false;
  for (const void* array : {q, k, v, out}) {
    if (reinterpret_cast<uintptr_t>(array) % 16 != 0) return false;
  }
  return IsHopper();
}

template <class Shape>
const char* LaunchHopperForward(const Attention& a, const void* q, const void* k,
                                const void* v, HopperForwardArguments arguments,
                                CUstream_st* stream) {
  const bool packed = a.query_splits != nullptr;
  arguments.blocks = static_cast<int>(packed ? a.queries / Shape::kRows + a.batch
                                             : (a.queries + Shape::kRows - 1) / Shape::kRows);
  const int64_t maps = packed ? 1 : a.batch;
  TensorMap q_map, k_map, v_map;
  const char* error =
      MakeTensorMap(&q_map, a.element, q, maps, a.queries, a.heads, a.width, Shape::kRows);
  if (error == nullptr) {
    error = MakeTensorMap(&k_map, a.element, k, maps, a.keys, a.kv_heads, a.width, Shape::kKeys);
  }
  if (error == nullptr) {
    error = MakeTensorMap(&v_map, a.element, v, maps, a.keys, a.kv_heads, a.width, Shape::kKeys);
  }
  if (error != nullptr) return error;
  const Grid grid = {static_cast<unsigned>(arguments.blocks) * arguments.heads_of_blocks, 1, 1};
  return Launch(HopperForward<Shape>, {grid, Shape::kThreads, Shape::kSharedBytes, stream},
                q_map, k_map, v_map, arguments);
}

// What HopperForwardServes. Null, or what went wrong.
inline const char* HopperForward(const Attention& a, const void* q, const void* k,
                                 const void* v, void* out, float* lse, CUstream_st* stream) {
  const bool packed = a.query_splits != nullptr;
  const int64_t far = kHopperFar;
  HopperForwardArguments arguments = {};
  arguments.out = out, arguments.lse = lse;
  arguments.query_splits = a.query_splits, arguments.key_splits = a.key_splits;
  arguments.batch = static_cast<int>(a.batch);
  arguments.queries = static_cast<int>(a.queries), arguments.keys = static_cast<int>(a.keys);
  arguments.heads = static_cast<int>(a.heads);
  arguments.heads_per_kv_head = static_cast<int>(a.heads / a.kv_heads);
  arguments.scale = a.scale;
  const bool left = a.window_left >= 0, right = a.window_right >= 0;
  arguments.window_left = static_cast<int>(left ? std::min(a.window_left, far) : far);
  arguments.window_right = static_cast<int>(right ? std::min(a.window_right, far) : far);
  arguments.heads_of_blocks = static_cast<int>(packed ? a.heads : a.batch * a.heads);
  // Blocks of one length need no order, and share k and v best one head after another.
  const int64_t bytes = 4 * a.keys * a.width;
  const int64_t section = left == right ? 1 : kHopperSectionBytes / bytes;
  arguments.section = static_cast<int>(std::min<int64_t>(
      std::max<int64_t>(section, 1) * arguments.heads_per_kv_head, arguments.heads_of_blocks));

  const auto launch = [&](auto shape) {
    return LaunchHopperForward<decltype(shape)>(a, q, k, v, arguments, stream);
  };
  // More rows read k and v less often, and make up for the last block's idle ones if there are
  // enough of them.
  const int64_t by_two = (a.queries + 127) / 128 * 128, by_three = (a.queries + 191) / 192 * 192;
  const auto of = [&](auto element) {
    constexpr Element kElement = decltype(element)::value;
    if (a.width == 64) {
      return by_three <= by_two ? launch(HopperForwardShape<kElement, 64, 128, 3>())
                                : launch(HopperForwardShape<kElement, 64, 128, 2>());
    }
    return left || right ? launch(HopperForwardShape<kElement, 128, 128, 2>())
                         : launch(HopperForwardShape<kElement, 128, 176, 2>());
  };
  return a.element == Element::kBFloat16
             ? of(std::integral_constant<Element, Element::kBFloat16>())
             : of(std::integral_constant<Element, Element::kFloat16>());
}

}  // namespace cuda
}  // namespace knl
