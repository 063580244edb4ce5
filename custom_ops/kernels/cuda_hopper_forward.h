// Attention forward on Hopper GPUs: bfloat16 and float16, heads 64 or 128 wide, without bias,
// soft cap, ALiBi, keep and segments.
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

#include "cuda_hopper_parts.h"

namespace knl {
namespace cuda {

struct HopperForwardArguments {
  HopperSizes sizes;
  void* out;
  float* lse;           // may be null
  int blocks;           // for a head: of its batch's queries, or packed of all
  int heads_of_blocks;  // times how many heads: H, or not packed B H
  int section;          // heads whose blocks run one after another
};

constexpr int kHopperSectionBytes = 24 << 20;  // of k and v: about half of a cache of level 2

template <Element kTheElement, int kTheWidth, int kTheKeys, int kTheGroups,
          bool kTheDrops = false>
struct HopperForwardShape {
  static constexpr Element kElement = kTheElement;
  static constexpr int kWidth = kTheWidth;
  static constexpr int kKeys = kTheKeys;  // of a tile
  static constexpr int kGroups = kTheGroups;
  static constexpr bool kDrops = kTheDrops;
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
    HopperPlace place;
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

// Blocks with the most keys go first, so that none is left over when the others are done; but
// only within a few heads at a time, so that k and v stay in the cache.
template <class Shape>
KNL_DEVICE void FindPlace(const HopperForwardArguments& a) {
  HopperPlace* place = &Shape::Others().place;
  const int of_section = a.section * a.blocks;
  const int id = BlockIndex().x;
  const int section = id / of_section, in_section = id % of_section;
  const int first = section * a.section;
  const int heads = a.section < a.heads_of_blocks - first ? a.section
                                                          : a.heads_of_blocks - first;
  const int head = first + in_section % heads;
  const int slot = a.blocks - 1 - in_section / heads;
  const HopperSizes& sizes = a.sizes;
  if (sizes.query_splits != nullptr) {
    FindSequence<Shape::kRows>(sizes, sizes.query_splits, slot, place);
    if (Thread() == 0) place->head = head;
  } else if (Thread() == 0) {
    *place = {head % sizes.heads, head / sizes.heads, slot * Shape::kRows, sizes.queries,
              sizes.keys, 0, 0};
  }
}

// The tiles of keys that some row of the block sees: from `last` down, `count` of them.
struct HopperTiles {
  int last = 0, count = 0;
};

template <class Shape>
KNL_DEVICE HopperTiles SeenTiles(const HopperSizes& a) {
  const HopperPlace place = Shape::Others().place;
  const int row = place.first_row, queries = place.queries, keys = place.keys;
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

// All that a block reads, by one warp.
template <class Shape>
KNL_DEVICE void CopyAll(const HopperSizes& a, const TensorMap& q_map, const TensorMap& k_map,
                        const TensorMap& v_map, HopperTiles tiles) {
  constexpr int kKeys = Shape::kKeys, kWidth = Shape::kWidth;
  auto& rest = Shape::Others();
  const HopperPlace place = rest.place;
  const bool packed = a.query_splits != nullptr;
  const int batch = packed ? 0 : place.sequence;
  const int kv_head = place.head / a.heads_per_kv_head;
  HopperCopier copier = {packed, batch, &rest.patched};

  const auto copy_keys = [&](int i) {
    const int stage = i % Shape::kStages;
    WaitForPhase(&rest.k_read[stage], i / Shape::kStages % 2 ^ 1);
    copier.Copy<kKeys, kWidth>(Shape::Keys(stage), k_map, &rest.k[stage], kv_head,
                               place.first_key + (tiles.last - i) * kKeys, kKeys);
  };
  const auto copy_values = [&](int i) {
    const int stage = i % Shape::kStages;
    const int begin = (tiles.last - i) * kKeys;
    WaitForPhase(&rest.v_read[stage], i / Shape::kStages % 2 ^ 1);
    copier.Copy<kKeys, kWidth>(Shape::Values(stage), v_map, &rest.v[stage], kv_head,
                               place.first_key + begin, place.keys - begin);
  };

  copier.Copy<Shape::kRows, kWidth>(Shape::Queries(), q_map, &rest.q, place.head,
                                    place.first_query + place.first_row, Shape::kRows);
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

// Scores of keys outside [first, end) become -infinity; both count from s[0]'s key, and are 8
// more for the lower row. `keys` are left from there on.
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
  const HopperPlace place = Shape::Others().place;
  const int warp = Thread() / 32 % 4, lane = Thread() % 32;
  const int64_t heads = a.sizes.heads;
  const int64_t first = (a.sizes.query_splits != nullptr
                             ? int64_t{place.first_query}
                             : int64_t{place.sequence} * a.sizes.queries) +
                        row + warp * 16;
  const int left = place.queries - row - warp * 16;  // rows that there are

  float growth[2];
  KNL_UNROLL
  for (int half = 0; half < 2; ++half) {
    float sum = softmax.sum[half];
    sum += ShuffleXor(sum, 1);
    sum += ShuffleXor(sum, 2);
    growth[half] = sum > 0 ? a.sizes.growth / sum : sum;  // a sum of NaN stays
    const int at = lane / 4 + 8 * half;
    if (a.lse != nullptr && lane % 4 == 0 && at < left) {
      constexpr float kLn2 = 0.693147180559945f;
      const float shift = HopperSoftmax::Shift(softmax.top[half], scale);
      a.lse[(first + at) * heads + place.head] = (shift + Log2(sum)) * kLn2;
    }
  }
  SyncNamed(8 + group, 128);  // all have read the queries
  StoreRows<Shape::kElement, Shape::kRows, Shape::kWidth>(
      Shape::Queries(), group * 64 + warp * 16, o, growth,
      static_cast<uint16_t*>(a.out) + (first * heads + place.head) * Shape::kWidth,
      heads * Shape::kWidth, left);
}

template <class Shape>
KNL_DEVICE void Attend(const HopperForwardArguments& a, int group, HopperTiles tiles) {
  constexpr int kKeys = Shape::kKeys;
  constexpr Element kElement = Shape::kElement;
  auto& rest = Shape::Others();
  const HopperPlace place = rest.place;
  const int warp = Thread() / 32 % 4, lane = Thread() % 32;
  const bool releases = lane == 0;
  const HopperTurns<Shape> turns = {group};
  const float scale = a.sizes.scale * 1.44269504088896f;
  const int row = place.first_row + group * 64;
  const int keys = place.keys;

  // What rows see: this thread's first, all of the group's, and the keys from s[0]'s on.
  const int group_position = row + keys - place.queries;
  const int position = group_position + warp * 16 + lane / 4;
  const int column = lane % 4 * 2;
  const int all_see_from = group_position + 63 - a.sizes.window_left;
  const int all_see_to = group_position + a.sizes.window_right + 1;  // before it

  const uint64_t q = AtTile<Shape::kRows>(DescribeTile(Shape::Queries()), group * 64, 0);
  const uint64_t k = DescribeTile(Shape::Keys(0));
  const uint64_t v = DescribeTile(Shape::Values(0));
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
      HideKeys(s, position - a.sizes.window_left - begin - column,
               position + a.sizes.window_right + 1 - begin - column, keys - begin - column);
    };
    uint32_t dropped[Shape::kDrops ? kKeys / 64 : 1];
    const auto find_dropped = [&](int i) {
      if constexpr (Shape::kDrops) {
        // Read anew each time: else the keys of all rounds stay in registers.
        const HopperSeed seed = {{a.sizes.seed[0], a.sizes.seed[1]}};
        FindDropped(dropped, seed, a.sizes.threshold,
                    place.sequence * a.sizes.heads + place.head, row + warp * 16 + lane / 4,
                    (tiles.last - i) * kKeys);
      }
    };
    const auto pack = [&] {
      if constexpr (Shape::kDrops) DropWeights(s, dropped);
      PackAll<kElement>(s, p);
    };
    if (turns.IsLast() && tiles.count > 1) turns.Pass();

    WaitForPhase(&rest.q, 0);
    WaitForPhase(&rest.k[0], 0);
    Pin(s);
    FenceProducts();
    BeginScores<kElement, Shape::kRows, kKeys, Shape::kWidth>(s, q, k);
    find_dropped(0);
    WaitForProducts<0>();
    Pin(s);
    if (releases) Arrive(&rest.k_read[0]);
    hide(0);
    softmax.Weigh(s, scale, shrink);
    pack();

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
      BeginScores<kElement, Shape::kRows, kKeys, Shape::kWidth>(s, q, k + next * kStep);
      WaitForPhase(&rest.v[stage], phase);
      FenceProducts();
      BeginOutputs<kElement, kKeys, Shape::kWidth>(o, p, v + stage * kStep);
      if (!turns.IsLast() || i + 1 < tiles.count) turns.Pass();
      find_dropped(i);
      WaitForProducts<1>();
      Pin(s);
      if (releases) Arrive(&rest.k_read[next]);
      hide(i);
      softmax.Weigh(s, scale, shrink);
      Finish(softmax.sum[0] + softmax.sum[1]);
      WaitForProducts<0>();
      Pin(o);
      Pin(p);
      if (releases) Arrive(&rest.v_read[stage]);
      pack();
      KNL_UNROLL
      for (int d = 0; d < Shape::kWidth / 2; ++d) o[d] *= shrink[d / 2 % 2];
      stage = next, phase = next_phase;
    }

    WaitForPhase(&rest.v[stage], phase);
    Pin(p);
    Pin(o);
    FenceProducts();
    BeginOutputs<kElement, kKeys, Shape::kWidth>(o, p, v + stage * kStep);
    WaitForProducts<0>();
    Pin(o);
  }
  WriteRows<Shape>(a, group, row, o, softmax, scale);
}

template <class Shape>
KNL_KERNEL(Shape::kThreads, 1)
HopperForwardKernel(KNL_GRID_CONSTANT const TensorMap q_map,
                    KNL_GRID_CONSTANT const TensorMap k_map,
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
  if (rest.place.sequence < 0) return;
  const HopperTiles tiles = SeenTiles<Shape>(a.sizes);
  if (group == 0) {
    ShrinkRegisters<Shape::kCopyRegisters>();
    if (warp == 0 && tiles.count > 0) CopyAll<Shape>(a.sizes, q_map, k_map, v_map, tiles);
  } else {
    GrowRegisters<Shape::kRegisters>();
    Attend<Shape>(a, group - 1, tiles);
  }
#else
  __trap();  // IsHopper was to keep calls away
#endif
}

// ---- Calls ----

// Whether HopperForward is made for this call, and the current device for it.
inline bool HopperForwardServes(const Attention& a, const void* q, const void* k, const void* v,
                                const void* out) {
  for (const void* array : {q, k, v, out}) {
    if (!IsAlignedForHopper(array)) return false;
  }
  return HopperServes(a);
}

template <class Shape>
const char* LaunchHopperForward(const Attention& a, const void* q, const void* k,
                                const void* v, HopperForwardArguments arguments,
                                CUstream_st* stream) {
  arguments.blocks = static_cast<int>(a.query_splits != nullptr
                                          ? a.queries / Shape::kRows + a.batch
                                          : (a.queries + Shape::kRows - 1) / Shape::kRows);
  TensorMap q_map, k_map, v_map;
  const char* error = MapQueries(&q_map, a, q, Shape::kRows);
  if (error == nullptr) error = MapKeys(&k_map, a, k, Shape::kKeys);
  if (error == nullptr) error = MapKeys(&v_map, a, v, Shape::kKeys);
  if (error != nullptr) return error;
  const Grid grid = {static_cast<unsigned>(arguments.blocks) * arguments.heads_of_blocks, 1, 1};
  return Launch(HopperForwardKernel<Shape>,
                {grid, Shape::kThreads, Shape::kSharedBytes, stream}, q_map, k_map, v_map,
                arguments);
}

// What HopperForwardServes. Null, or what went wrong. `seed` [2] is on the device, and may be
// null without dropout.
inline const char* HopperForward(const Attention& a, const uint32_t* seed, const void* q,
                                 const void* k, const void* v, void* out, float* lse,
                                 CUstream_st* stream) {
  const bool packed = a.query_splits != nullptr;
  const bool left = a.window_left >= 0, right = a.window_right >= 0;
  HopperForwardArguments arguments = {};
  arguments.sizes = SizesOf(a, seed);
  arguments.out = out, arguments.lse = lse;
  arguments.heads_of_blocks = static_cast<int>(packed ? a.heads : a.batch * a.heads);
  // Blocks of one length need no order, and share k and v best one head after another.
  const int64_t bytes = 4 * a.keys * a.width;
  const int64_t section = left == right ? 1 : kHopperSectionBytes / bytes;
  arguments.section = static_cast<int>(
      std::min<int64_t>(std::max<int64_t>(section, 1) * arguments.sizes.heads_per_kv_head,
                        arguments.heads_of_blocks));

  const auto launch = [&](auto shape) {
    return LaunchHopperForward<decltype(shape)>(a, q, k, v, arguments, stream);
  };
  // More rows read k and v less often, if they do not leave more of the last block idle.
  const int64_t by_two = (a.queries + 127) / 128 * 128, by_three = (a.queries + 191) / 192 * 192;
  const auto of = [&](auto element) {
    constexpr Element kElement = decltype(element)::value;
    if (arguments.sizes.seed != nullptr) {
      return a.width == 64 ? launch(HopperForwardShape<kElement, 64, 128, 2, true>())
                           : launch(HopperForwardShape<kElement, 128, 128, 2, true>());
    }
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
