// Walks along a row, a vector of its features at a time.
#pragma once

#include "elements.h"
#include "pack.h"

namespace knl {
namespace KNL_UNIT {
namespace {

constexpr int kChains = 4;  // of additions: as many as hide their latency

// body(j, i, count) for the vectors at features j of [begin, end), `count` features left of
// it, of which a vector holds at most kLanes: constants in all but the last few, so that
// ReadPart and WritePart become Read and Write there. `i` counts up to kChains, over and over:
// sums kept apart by it do not wait for each other.
template <class Body>
KNL_INLINE void ForVectors(int64_t begin, int64_t end, const Body& body) {
  int64_t j = begin;
  for (; j + kChains * kLanes <= end; j += kChains * kLanes) {
#pragma GCC unroll 4
    for (int i = 0; i < kChains; ++i) body(j + i * kLanes, i, kLanes);
  }
  for (; j + kLanes <= end; j += kLanes) body(j, 0, kLanes);
  if (j < end) body(j, 0, end - j);
}

// As ForVectors, with what reads apart from what writes: make(j, i, count) gives a vector for
// use(j, i, count, vector). The compiler cannot know that one's arrays are not the other's,
// and would not begin a vector before the last one is written.
template <class Make, class Use>
KNL_INLINE void ForVectors(int64_t begin, int64_t end, const Make& make, const Use& use) {
  int64_t j = begin;
  for (; j + kChains * kLanes <= end; j += kChains * kLanes) {
    Vec made[kChains];
#pragma GCC unroll 4
    for (int i = 0; i < kChains; ++i) made[i] = make(j + i * kLanes, i, kLanes);
#pragma GCC unroll 4
    for (int i = 0; i < kChains; ++i) use(j + i * kLanes, i, kLanes, made[i]);
  }
  for (; j + kLanes <= end; j += kLanes) use(j, 0, kLanes, make(j, 0, kLanes));
  if (j < end) use(j, 0, end - j, make(j, 0, end - j));
}

// Asks for the memory of features from j on of a row that will be read soon, if it is there.
// `i` is that of ForVectors.
template <class T>
KNL_INLINE void FetchNext(const T* row, int64_t j, int i) {
  // Once a line; the address may lie in no array.
  if (i * kLanes * sizeof(T) % 64 != 0) return;
  __builtin_prefetch((const void*)((uintptr_t)row + j * sizeof(T)), 0, 2);
}

// Zero in the lanes behind the first `count`.
KNL_INLINE Vec FirstLanes(Vec v, int64_t count) {
  if (count >= kLanes) return v;
  return LaneNumbers() < SplatInt((int32_t)count) ? v : Splat(0.0f);
}

KNL_INLINE float SumOfChains(const Vec* chains) {
  return SumOf((chains[0] + chains[1]) + (chains[2] + chains[3]));
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
