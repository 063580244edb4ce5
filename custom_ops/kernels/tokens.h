// The rows of one head in an array [tokens, heads, width], and asking for them in time.
#pragma once

#include "elements.h"

namespace knl {
namespace KNL_UNIT {
namespace {

KNL_INLINE int64_t RoundUp(int64_t n, int64_t step) { return (n + step - 1) / step * step; }
KNL_INLINE int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }
KNL_INLINE int64_t Max(int64_t a, int64_t b) { return a > b ? a : b; }

// `count` tokens of one head: rows of `width` elements, `stride` elements apart.
template <class E>
struct Tokens {
  const typename E::Type* data;
  int64_t stride;
  int64_t count;
  int64_t width;

  KNL_INLINE Tokens Slice(int64_t begin, int64_t end) const {
    return {data + begin * stride, stride, end - begin, width};
  }

  // Asks for a token's row before it is read, or written: rows of a head lie too far apart
  // for the machine to guess the next. Memory behind the array may be asked for.
  template <bool kWrite = false>
  KNL_INLINE void Prefetch(int64_t token) const {
    const uintptr_t row = (uintptr_t)data + token * stride * sizeof(data[0]);
    for (uintptr_t at = 0; at < width * sizeof(data[0]); at += 64) {
      __builtin_prefetch((const void*)(row + at), kWrite ? 1 : 0);
    }
  }
  void PrefetchToWrite() const {
    for (int64_t i = 0; i < count; ++i) Prefetch<true>(i);
  }
};

// Rows [first, first + count) of one of `heads` heads of an array, which may be null if
// there are none.
template <class E>
KNL_INLINE Tokens<E> TokensOf(const void* array, int64_t first, int64_t count, int64_t heads,
                              int64_t head, int64_t width) {
  using Type = typename E::Type;
  const uintptr_t at = (uintptr_t)array + (first * heads + head) * width * sizeof(Type);
  return {(const Type*)at, heads * width, count, width};
}

// Rows that the next task will read, asked for little by little while this one computes.
template <class E>
class Ahead {
 public:
  void Add(Tokens<E> tokens) {
    arrays_[count_++] = tokens;
    rows_ = Max(rows_, tokens.count);
  }
  void SpreadOver(int64_t steps) { step_ = (rows_ + steps - 1) / Max(steps, 1); }
  void Step() {
    const int64_t end = Min(at_ + step_, rows_);
    for (; at_ < end; ++at_) {
      for (int i = 0; i < count_; ++i) {
        if (at_ < arrays_[i].count) arrays_[i].Prefetch(at_);
      }
    }
  }

 private:
  Tokens<E> arrays_[5];
  int count_ = 0;
  int64_t rows_ = 0, at_ = 0, step_ = 0;
};

constexpr int64_t kAhead = 16;  // rows between asking and reading, where nothing asked before

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
