// Products of tiles by tensor cores, a warp at a time.
//
// A warp's share of a product is spread over its threads as mma's accumulators are: of each
// 16 x 8 part, the thread holds columns 2 p and 2 p + 1 of rows g and g + 8, for g = lane / 4
// and p = lane % 4. What it sums over may come in any order, as long as both factors agree.
// For 16 bits the order is mma's own. For floats, of eight numbers in a row a thread takes
// 2 p and 2 p + 1, as accumulators have them, where mma says p and p + 4.
#pragma once

#include "cuda_tile.h"

namespace knl {
namespace cuda {

KNL_DEVICE int Lane() { return Thread() % 32; }

using Part = float[4];  // of 16 x 8 accumulators

// A factor's registers: of the left, 16 rows; of the right, 16 columns.
template <class E>
struct Factor {
  uint32_t r[4];
};

// A float is the sum of two numbers of TF32, or, if rounding is asked for, the first alone.
template <>
struct Factor<Float32> {
  uint32_t r[4], rest[4];

  KNL_DEVICE void Set(int i, float x) {
    r[i] = ToTf32(x);
    rest[i] = ToTf32(x - FromBits(r[i]));
  }
};

// ---- Left factors ----

// [row + 16, column + kDepth) of a tile.
template <class E, int kWidth>
KNL_DEVICE void LoadLeft(const Tile<E, kWidth>& tile, int row, int column, Factor<E>* f) {
  const int lane = Lane();
  LoadMatrices(f->r, tile.At(row + lane % 16, column + lane / 16 * 8));
}

template <int kWidth>
KNL_DEVICE void LoadLeft(const Tile<Float32, kWidth>& tile, int row, int column,
                         Factor<Float32>* f) {
  const int g = Lane() / 4, p = Lane() % 4;
  KNL_UNROLL
  for (int i = 0; i < 4; ++i) {
    f->Set(i, *tile.At(row + g + i % 2 * 8, column + 2 * p + i / 2));
  }
}

// The same of the tile turned over: its columns are the factor's rows.
template <class E, int kWidth>
KNL_DEVICE void LoadLeftTurned(const Tile<E, kWidth>& tile, int row, int column, Factor<E>* f) {
  const int lane = Lane();
  LoadMatricesTransposed(f->r,
                         tile.At(column + lane % 8 + lane / 16 * 8, row + lane / 8 % 2 * 8));
}

template <int kWidth>
KNL_DEVICE void LoadLeftTurned(const Tile<Float32, kWidth>& tile, int row, int column,
                               Factor<Float32>* f) {
  const int g = Lane() / 4, p = Lane() % 4;
  KNL_UNROLL
  for (int i = 0; i < 4; ++i) {
    f->Set(i, *tile.At(column + 2 * p + i / 2, row + g + i % 2 * 8));
  }
}

// Columns [kDepth * step, ...) of accumulators.
template <class E>
KNL_DEVICE void LeftOf(const Part* parts, int step, Factor<E>* f) {
  KNL_UNROLL
  for (int i = 0; i < 4; ++i) {
    const Part& part = parts[2 * step + i / 2];
    f->r[i] = E::Pack(part[i % 2 * 2], part[i % 2 * 2 + 1]);
  }
}

KNL_DEVICE void LeftOf(const Part* parts, int step, Factor<Float32>* f) {
  KNL_UNROLL
  for (int i = 0; i < 4; ++i) f->Set(i, parts[step][i % 2 * 2 + i / 2]);
}

// ---- Right factors ----

// The tile's rows [column, column + 16) are the factor's columns: left * tile^T.
template <class E, int kWidth>
KNL_DEVICE void LoadRightTurned(const Tile<E, kWidth>& tile, int row, int column, Factor<E>* f) {
  const int lane = Lane();
  LoadMatrices(f->r, tile.At(column + lane % 8 + lane / 16 * 8, row + lane / 8 % 2 * 8));
}

template <int kWidth>
KNL_DEVICE void LoadRightTurned(const Tile<Float32, kWidth>& tile, int row, int column,
                                Factor<Float32>* f) {
  const int g = Lane() / 4, p = Lane() % 4;
  KNL_UNROLL
  for (int i = 0; i < 4; ++i) {
    f->Set(i, *tile.At(column + g + i / 2 * 8, row + 2 * p + i % 2));
  }
}

// Rows [row, row + kDepth) and columns [column, column + 16) of a tile: left * tile.
template <class E, int kWidth>
KNL_DEVICE void LoadRight(const Tile<E, kWidth>& tile, int row, int column, Factor<E>* f) {
  const int lane = Lane();
  LoadMatricesTransposed(f->r, tile.At(row + lane % 16, column + lane / 16 * 8));
}

template <int kWidth>
KNL_DEVICE void LoadRight(const Tile<Float32, kWidth>& tile, int row, int column,
                          Factor<Float32>* f) {
  const int g = Lane() / 4, p = Lane() % 4;
  KNL_UNROLL
  for (int i = 0; i < 4; ++i) {
    f->Set(i, *tile.At(row + 2 * p + i % 2, column + g + i / 2 * 8));
  }
}

// ---- Products ----

// c [16, 16] += a b; of floats, with what TF32 leaves over unless `tf32`.
KNL_DEVICE void Multiply(Part* c, const Factor<BFloat16>& a, const Factor<BFloat16>& b, bool) {
  MultiplyBFloat16(c[0], a.r, b.r);
  MultiplyBFloat16(c[1], a.r, b.r + 2);
}

KNL_DEVICE void Multiply(Part* c, const Factor<Float16>& a, const Factor<Float16>& b, bool) {
  MultiplyFloat16(c[0], a.r, b.r);
  MultiplyFloat16(c[1], a.r, b.r + 2);
}

KNL_DEVICE void Multiply(Part* c, const Factor<Float32>& a, const Factor<Float32>& b,
                         bool tf32) {
  KNL_UNROLL
  for (int i = 0; i < 2; ++i) {
#if defined(KNL_CUDA_EMULATED) || KNL_AMPERE  // before, floats are multiplied whole
    if (!tf32) {
      MultiplyTf32(c[i], a.rest, b.r + 2 * i);
      MultiplyTf32(c[i], a.r, b.rest + 2 * i);
    }
#endif
    MultiplyTf32(c[i], a.r, b.r + 2 * i);
  }
}

// How many of mma's sums follow upon each other in the same accumulators: of floats, few, since
// tensor cores cut their sums instead of rounding them, which adds up.
template <class E>
constexpr int kSumSteps = sizeof(typename E::Type) == 2 ? 1024 : 4;

template <int kTiles, int kParts>
KNL_DEVICE void Clear(Part (*parts)[kParts]) {
  KNL_UNROLL
  for (int i = 0; i < kTiles * kParts * 4; ++i) parts[i / 4 / kParts][i / 4 % kParts][i % 4] = 0.0f;
}

template <int kTiles, int kParts>
KNL_DEVICE void Add(const Part (*parts)[kParts], Part (*to)[kParts]) {
  KNL_UNROLL
  for (int i = 0; i < kTiles * kParts * 4; ++i) {
    to[i / 4 / kParts][i / 4 % kParts][i % 4] += parts[i / 4 / kParts][i / 4 % kParts][i % 4];
  }
}

// out [16 kTiles, kColumns] += rows [row, ...) of `left` times rows [0, kColumns) of `right`.
template <int kTiles, int kColumns, class E, int kWidth>
KNL_DEVICE void MultiplyTurned(const Tile<E, kWidth>& left, int row,
                               const Tile<E, kWidth>& right, bool tf32,
                               Part (*out)[kColumns / 8]) {
  constexpr int kSteps = kWidth / E::kDepth;
  constexpr int kAtOnce = kSteps < kSumSteps<E> ? kSteps : kSumSteps<E>;
  constexpr bool kSums = kAtOnce < kSteps;
#pragma unroll(1)
  for (int first = 0; first < kSteps; first += kAtOnce) {
    Part sums[kSums ? kTiles : 1][kColumns / 8];
    if (kSums) Clear<kTiles>(sums);
    Part(*const to)[kColumns / 8] = kSums ? sums : out;
#pragma unroll(kAtOnce < 4 ? kAtOnce : 4)
    for (int i = 0; i < kAtOnce; ++i) {
      const int step = (first + i) * E::kDepth;
      Factor<E> a[kTiles], b;
      KNL_UNROLL
      for (int m = 0; m < kTiles; ++m) LoadLeft(left, row + m * 16, step, a + m);
      KNL_UNROLL
      for (int n = 0; n < kColumns / 16; ++n) {
        LoadRightTurned(right, step, n * 16, &b);
        KNL_UNROLL
        for (int m = 0; m < kTiles; ++m) Multiply(to[m] + 2 * n, a[m], b, tf32);
      }
    }
    if (kSums) Add<kTiles>(sums, out);
  }
}

// out [16 kTiles, kColumns] += accumulators [16 kTiles, kRows] times columns [column, ...) of
// `right`.
template <int kTiles, int kRows, int kColumns, class E, int kWidth>
KNL_DEVICE void MultiplyParts(const Part (*left)[kRows / 8], const Tile<E, kWidth>& right,
                              int column, bool tf32, Part (*out)[kColumns / 8]) {
  constexpr int kSteps = kRows / E::kDepth;
  constexpr bool kSums = sizeof(typename E::Type) == 4;
  static_assert(!kSums || kSteps <= kSumSteps<E>, "one sum a tile");
  KNL_UNROLL
  for (int n = 0; n < kColumns / 16; ++n) {
    Part sums[kTiles][2];
    if (kSums) Clear<kTiles>(sums);
    KNL_UNROLL
    for (int step = 0; step < kSteps; ++step) {
      Factor<E> a, b;
      LoadRight(right, step * E::kDepth, column + n * 16, &b);
      KNL_UNROLL
      for (int m = 0; m < kTiles; ++m) {
        LeftOf(left[m], step, &a);
        Multiply(kSums ? sums[m] : out[m] + 2 * n, a, b, tf32);
      }
    }
    KNL_UNROLL
    for (int i = 0; i < kTiles * 8 && kSums; ++i) {
      out[i / 8][2 * n + i / 4 % 2][i % 4] += sums[i / 8][i / 4 % 2][i % 4];
    }
  }
}

}  // namespace cuda
}  // namespace knl
