// Small dense products, with the accumulators in registers.
#pragma once

#include "lanes.h"

namespace knl {
namespace KNL_UNIT {
namespace {

// A tile of 6 rows and 4 vectors takes 24 of AVX-512's 32 registers, and leaves room for 4
// vectors of b and one of a; 6 by 2 fits the 16 registers of the others.
constexpr int kTileRows = 6;
constexpr int kTileVectors = KNL_LANES == 16 ? 4 : 2;

// A factor is packed in words of 32 bits: one float, or two bfloat16 that are neighbours
// along the summed dimension.
struct FloatWords {
  static constexpr int kPair = 1;
  static KNL_INLINE Vec MultiplyAdd(Vec sum, Vec a, Vec b) { return a * b + sum; }
};

#if defined(__AVX512BF16__)
struct BFloat16Words {
  static constexpr int kPair = 2;
  static KNL_INLINE Vec MultiplyAdd(Vec sum, Vec a, Vec b) {
    return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif

// Where words lie: [row or column][word].
struct Left {
  const float* data;
  int64_t row;   // from one row to the next, in words
  int64_t word;  // from one word of the sum to the next
};

template <class Words, int R, int N>
void Tile(int64_t words, Left a, const float* b, int64_t b_word, float* c, int64_t c_row,
          bool add) {
  Vec sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      sum[r][n] = add ? Load(c + r * c_row + n * kLanes) : Vec{};
    }
  }
  const float* left = a.data;
  for (int64_t k = 0; k < words; ++k) {
    Vec right[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) right[n] = Load(b + n * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec one = SplatWord(left + r * a.row);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        sum[r][n] = Words::MultiplyAdd(sum[r][n], one, right[n]);
      }
    }
    left += a.word;
    b += b_word;
  }
  // Without this the compiler keeps the addresses of the loads until here, in vector registers.
  asm("" : "+r"(c), "+r"(c_row));
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) Store(c + r * c_row + n * kLanes, sum[r][n]);
  }
}

using TileFunction = void (*)(int64_t, Left, const float*, int64_t, float*, int64_t, bool);

template <class Words>
struct Tiles {
  static constexpr TileFunction kBySize[kTileRows][4] = {
#define KNL_ROW(R)                                        \
  {Tile<Words, R, 1>, Tile<Words, R, kTileVectors >= 2 ? 2 : 1>, \
   Tile<Words, R, kTileVectors >= 3 ? 3 : 1>, Tile<Words, R, kTileVectors>}
      KNL_ROW(1), KNL_ROW(2), KNL_ROW(3), KNL_ROW(4), KNL_ROW(5), KNL_ROW(6)
#undef KNL_ROW
  };
};

// c [rows, vectors * kLanes] = or += a [rows, words] b [words, vectors * kLanes]
template <class Words>
KNL_INLINE void Product(int64_t rows, int64_t vectors, int64_t words, Left a,
                        const float* b, int64_t b_word, float* c, int64_t c_row, bool add) {
  for (int64_t n = 0; n < vectors; n += kTileVectors) {
    const int64_t columns = vectors - n < kTileVectors ? vectors - n : kTileVectors;
    for (int64_t r = 0; r < rows; r += kTileRows) {
      const int64_t height = rows - r < kTileRows ? rows - r : kTileRows;
      Tiles<Words>::kBySize[height - 1][columns - 1](
          words, Left{a.data + r * a.row, a.row, a.word}, b + n * kLanes, b_word,
          c + r * c_row + n * kLanes, c_row, add);
    }
  }
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
