// Which keys a query sees, and how a product of theirs becomes a score.
#pragma once

#include "cuda_tile.h"

namespace knl {
namespace cuda {

constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

// ---- Blocks ----

// Part of a sequence's rows that one block of threads works on.
struct Place {
  int batch = 0, first = 0;             // of the block's rows, within the sequence
  int queries = 0, keys = 0;            // of the sequence
  int64_t query_row = 0, key_row = 0;   // where it begins
};

KNL_HOST_DEVICE int UpDivide(int64_t n, int64_t d) { return static_cast<int>((n + d - 1) / d); }

// How many blocks of `rows` rows there are at most, of queries or of keys.
inline int64_t BlocksOf(const Attention& a, int64_t total, int rows) {
  return a.query_splits == nullptr ? a.batch * UpDivide(total, rows) : total / rows + a.batch;
}

// The index-th block of kRows rows of queries, or of keys; false behind the last. Whole
// warps call it. The last rows of a sequence come first: under a causal mask they see most.
template <int kRows, bool kOfKeys>
KNL_DEVICE bool Find(const Attention& a, int index, Place* place) {
  if (a.query_splits == nullptr) {
    place->queries = static_cast<int>(a.queries);
    place->keys = static_cast<int>(a.keys);
    const int blocks = UpDivide(kOfKeys ? place->keys : place->queries, kRows);
    place->batch = index / blocks;
    const int block = index % blocks;
    place->first = (kOfKeys ? block : blocks - 1 - block) * kRows;
    place->query_row = place->batch * a.queries;
    place->key_row = place->batch * a.keys;
    return true;
  }
  const int64_t* splits = kOfKeys ? a.key_splits : a.query_splits;
  const int lane = Thread() % 32;
  for (int begin = 0; begin < a.batch; begin += 32) {
    const int b = begin + lane;
    const int blocks = b < a.batch ? UpDivide(splits[b + 1] - splits[b], kRows) : 0;
    int upto = blocks;  // of this sequence and those before
    for (int step = 1; step < 32; step *= 2) {
      const int before = Shuffle(upto, lane - step);
      if (lane >= step) upto += before;
    }
    const uint32_t behind = Ballot(upto > index);
    if (behind != 0) {
      int owner = 0;
      while ((behind >> owner & 1) == 0) ++owner;
      const int count = Shuffle(blocks, owner);
      const int block = index - (Shuffle(upto, owner) - count);
      place->batch = begin + owner;
      place->first = (kOfKeys ? block : count - 1 - block) * kRows;
      place->query_row = a.query_splits[place->batch];
      place->key_row = a.key_splits[place->batch];
      place->queries = static_cast<int>(a.query_splits[place->batch + 1] - place->query_row);
      place->keys = static_cast<int>(a.key_splits[place->batch + 1] - place->key_row);
      return true;
    }
    index -= Shuffle(upto, 31);
  }
  return false;
}

// ---- Scores ----

KNL_HOST_DEVICE int Smaller(int x, int y) { return x < y ? x : y; }
KNL_HOST_DEVICE int Larger(int x, int y) { return x > y ? x : y; }
constexpr int kOpen = 1 << 30;

// Of one head of one sequence. kPlain: scores are products times a positive scale, and only
// windows and the sequence's end hide keys.
template <bool kPlain>
struct Scores {
  const Attention& a;
  const Place& place;
  int head;
  int left, right;  // of the window, from a key's to a query's index
  float scale;      // by what `Of` is still to be multiplied
  float unit;       // the same, before 2 is raised to it

  KNL_DEVICE Scores(const Attention& attention, const Place& where, int h)
      : a(attention), place(where), head(h) {
    const int shift = place.keys - place.queries;
    left = a.window_left < 0 || a.window_left >= kOpen ? -kOpen
                                                       : shift - static_cast<int>(a.window_left);
    right = a.window_right < 0 || a.window_right >= kOpen
                ? kOpen
                : shift + static_cast<int>(a.window_right);
    scale = kPlain ? a.scale : 1.0f;
    unit = scale * kLog2E;
  }

  // Keys [FirstKey, EndKey) are in a query's window.
  KNL_DEVICE int FirstKey(int query) const { return Larger(0, query + left); }
  KNL_DEVICE int EndKey(int query) const { return Smaller(place.keys, query + right + 1); }
  // Queries [FirstQuery, EndQuery) have a key in their window.
  KNL_DEVICE int FirstQuery(int key) const { return Larger(0, key - right); }
  KNL_DEVICE int EndQuery(int key) const { return Smaller(place.queries, key - left + 1); }

  KNL_DEVICE bool InWindow(int query, int key) const {
    return key >= FirstKey(query) && key < EndKey(query);
  }

  // Whether all these queries have all these keys in their windows.
  KNL_DEVICE bool AllInWindow(int query, int queries, int key, int keys) const {
    return key >= FirstKey(query + queries - 1) && key + keys <= EndKey(query) &&
           query + queries <= place.queries;
  }

  // The score over `scale`, -infinity for a key that is not seen. `slope`: of the soft cap.
  KNL_DEVICE float Of(float product, int query, int key, float* slope) const {
    *slope = 1.0f;
    if (kPlain) return InWindow(query, key) ? product : -INFINITY;
    if (query >= place.queries || !InWindow(query, key)) return -INFINITY;
    if (a.keep != nullptr && !a.keep[place.key_row + key]) return -INFINITY;
    if (a.query_segments != nullptr && a.query_segments[place.query_row + query] !=
                                           a.key_segments[place.key_row + key]) {
      return -INFINITY;
    }
    float score = a.scale * product;
    if (a.soft_cap > 0.0f) {
      const float t = Tanh(score / a.soft_cap);
      score = a.soft_cap * t;
      *slope = 1.0f - t * t;
    }
    if (a.bias != nullptr) {
      const int64_t b = a.bias_batch == 1 ? 0 : place.batch, h = a.bias_heads == 1 ? 0 : head;
      const float bias = a.bias[((b * a.bias_heads + h) * a.queries + query) * a.keys + key];
      // What is not a number stays so.
      score += bias < -kMostBias && bias != -INFINITY ? -kMostBias
               : bias > kMostBias                     ? kMostBias
                                                      : bias;
    }
    if (a.slopes != nullptr) {
      const int distance = query + place.keys - place.queries - key;
      score -= a.slopes[head] * static_cast<float>(distance < 0 ? -distance : distance);
    }
    return score;
  }

  // Whether there may be work in keys [key, key + keys), of which there are no more than
  // threads; the whole block calls it, and meets.
  KNL_DEVICE bool AnyKept(int key, int keys) const {
    if (kPlain || a.keep == nullptr) {
      SyncBlock();
      return true;
    }
    const int mine = key + Thread();
    return SyncOr(Thread() < keys && mine < place.keys && a.keep[place.key_row + mine] != 0);
  }
};

// ---- Rows of arrays ----

// Rows of one head of a sequence.
template <class Type>
KNL_DEVICE Rows<Type> RowsOf(void* array, int64_t first_row, int count, int heads, int head,
                             int width, bool chunks) {
  const int64_t stride = int64_t{heads} * width;
  return {static_cast<Type*>(array) + first_row * stride + head * width, stride, count, width,
          chunks};
}

template <class Type>
KNL_DEVICE Rows<const Type> RowsOf(const void* array, int64_t first_row, int count, int heads,
                                   int head, int width, bool chunks) {
  const int64_t stride = int64_t{heads} * width;
  return {static_cast<const Type*>(array) + first_row * stride + head * width, stride, count,
          width, chunks};
}

}  // namespace cuda
}  // namespace knl
