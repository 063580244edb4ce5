// add_norm.h, a part of the rows at a time: two rows together, since dropout draws for two,
// and sums over rows are then fetched half as often.
#pragma once

#include "add_norm.h"
#include "columns.h"
#include "dropout_lanes.h"
#include "units.h"

namespace knl {
namespace KNL_UNIT {
namespace {

// A place that may lie behind the array.
template <class T>
KNL_INLINE const T* After(const void* array, int64_t elements) {
  return (const T*)((uintptr_t)array + elements * sizeof(T));
}

// s = residual + drop(x + bias) of kRows rows; their sums over the features go to `total`.
template <class E, bool kDrop, int kRows>
KNL_INLINE void AddRows(const AddNorm& n, const AddNormArrays& a, int64_t row, float* total) {
  using T = typename E::Type;
  const int64_t D = n.width;
  const T* x = (const T*)a.x + row * D;
  const T* residual = a.residual == nullptr ? nullptr : (const T*)a.residual + row * D;
  T* sum = a.sum == nullptr ? nullptr : (T*)a.sum + row * D;
  const DropoutRate rate(n.dropout);
  Vec chains[kRows][kChains] = {};
  for (int64_t first = 0; first < D; first += kPanel) {
    DropoutPair random;
    if (kDrop) random.Draw(n.seed, 0, row, first);
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      const int64_t end = first + kPanel < D ? first + kPanel : D;
      ForVectors(first, end, [&](int64_t j, int i, int64_t count) KNL_LAMBDA_INLINE {
        Vec s = ReadPart<E>(x + r * D + j, count);
        if (a.bias != nullptr) s += ReadPart<Float32>(a.bias + j, count);
        if (kDrop) {
          s = rate.Keep(s * Splat(rate.growth), random.bits[r][(j - first) / kLanes]);
        }
        if (residual != nullptr) s += ReadPart<E>(residual + r * D + j, count);
        if (sum != nullptr) {
          WritePart<E>(sum + r * D + j, s, count);
          if (sizeof(T) < sizeof(float)) s = ReadPart<E>(sum + r * D + j, count);  // rounded
        }
        chains[r][i] += s;
      });
    }
  }
  for (int r = 0; r < kRows; ++r) total[r] = SumOfChains(chains[r]);
}

template <class E, bool kDrop, int kRows>
void AddNormPair(const AddNorm& n, const AddNormArrays& a, int64_t row) {
  using T = typename E::Type;
  const int64_t D = n.width;
  float total[kRows];
  AddRows<E, kDrop, kRows>(n, a, row, total);
  for (int r = 0; r < kRows; ++r) {
    const T* s = (const T*)(a.sum == nullptr ? a.x : a.sum) + (row + r) * D;
    T* y = (T*)a.y + (row + r) * D;
    const float mean = total[r] / (float)D;
    const Vec center = Splat(mean);
    Vec squares[kChains] = {};
    ForVectors(0, D, [&](int64_t j, int i, int64_t count) KNL_LAMBDA_INLINE {
      const Vec d = FirstLanes(ReadPart<E>(s + j, count) - center, count);
      squares[i] += d * d;
    });
    const float rstd = 1.0f / sqrtf(SumOfChains(squares) / (float)D + n.epsilon);
    const Vec scale = Splat(rstd);
    // The next rows are on their way while these are in the cache.
    const T* x = After<T>(a.x, (row + r + kRows) * D);
    const T* residual = After<T>(a.residual, (row + r + kRows) * D);
    ForVectors(
        0, D,
        [&](int64_t j, int i, int64_t count) KNL_LAMBDA_INLINE {
          FetchNext(x, j, i);
          if (a.residual != nullptr) FetchNext(residual, j, i);
          Vec v = (ReadPart<E>(s + j, count) - center) * scale;
          v *= ReadPart<Float32>(a.gamma + j, count);
          if (a.beta != nullptr) v += ReadPart<Float32>(a.beta + j, count);
          return v;
        },
        [&](int64_t j, int, int64_t count, Vec v) KNL_LAMBDA_INLINE {
          WritePart<E>(y + j, v, count);
        });
    a.mean[row + r] = mean;
    a.rstd[row + r] = rstd;
  }
}

// What is known of a row before its gradient is made.
template <class E>
struct NormedRow {
  using T = typename E::Type;
  const T *dy, *s;
  Vec mean, rstd;

  NormedRow(const AddNorm& n, const AddNormGradient& a, int64_t row)
      : dy((const T*)a.dy + row * n.width), s((const T*)a.sum + row * n.width),
        mean(Splat(a.mean[row])), rstd(Splat(a.rstd[row])) {}

  KNL_INLINE Vec Upstream(int64_t j, int64_t count) const { return ReadPart<E>(dy + j, count); }
  KNL_INLINE Vec Normed(int64_t j, int64_t count) const {
    return (ReadPart<E>(s + j, count) - mean) * rstd;
  }
};

template <class E, bool kDrop, int kRows>
void AddNormGradientPair(const AddNorm& n, const AddNormGradient& a, int64_t row,
                         float* columns) {
  using T = typename E::Type;
  const int64_t D = n.width, stride = RoundUp(D, kColumnStep);
  float *dgamma = columns, *dbeta = columns + stride, *dbias = columns + 2 * stride;
  const NormedRow<E> rows[2] = {{n, a, row}, {n, a, row + kRows - 1}};

  // With g = dy gamma and h the normed row: ds = rstd (g - mean(g) - h mean(g h)).
  Vec chains[2][2][kChains] = {};
  ForVectors(0, D, [&](int64_t j, int i, int64_t count) KNL_LAMBDA_INLINE {
    const Vec gamma = ReadPart<Float32>(a.gamma + j, count);
    Vec by_gamma = {}, by_beta = {};
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      const Vec dy = rows[r].Upstream(j, count), h = rows[r].Normed(j, count);
      const Vec g = dy * gamma;
      chains[r][0][i] += g;
      chains[r][1][i] += g * h;
      by_gamma += dy * h;
      by_beta += dy;
    }
    Store(dgamma + j, Load(dgamma + j) + by_gamma);
    Store(dbeta + j, Load(dbeta + j) + by_beta);
  });
  Vec mean_g[kRows], mean_gh[kRows];
  for (int r = 0; r < kRows; ++r) {
    mean_g[r] = Splat(SumOfChains(chains[r][0]) / (float)D);
    mean_gh[r] = Splat(SumOfChains(chains[r][1]) / (float)D);
  }

  const DropoutRate rate(n.dropout);
  for (int64_t first = 0; first < D; first += kPanel) {
    DropoutPair random;
    if (kDrop) random.Draw(n.seed, 0, row, first);
    const int64_t end = first + kPanel < D ? first + kPanel : D;
    ForVectors(first, end, [&](int64_t j, int i, int64_t count) KNL_LAMBDA_INLINE {
      const Vec gamma = ReadPart<Float32>(a.gamma + j, count);
      Vec by_bias = {};
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const int64_t at = (row + r) * D + j;
        FetchNext(After<T>(a.dy, (row + r + kRows) * D), j, i);
        FetchNext(After<T>(a.sum, (row + r + kRows) * D), j, i);
        const Vec g = rows[r].Upstream(j, count) * gamma;
        Vec ds = rows[r].rstd * (g - mean_g[r] - rows[r].Normed(j, count) * mean_gh[r]);
        if (a.dsum != nullptr) ds += ReadPart<E>((const T*)a.dsum + at, count);
        if (a.dresidual != nullptr) WritePart<E>((T*)a.dresidual + at, ds, count);
        if (kDrop) {
          ds = rate.Keep(ds * Splat(rate.growth), random.bits[r][(j - first) / kLanes]);
        }
        WritePart<E>((T*)a.dx + at, ds, count);
        by_bias += ds;
      }
      if (a.dbias != nullptr) Store(dbias + j, Load(dbias + j) + by_bias);
    });
  }
}

template <class E>
void AddNormRows(const AddNorm& n, const AddNormArrays& a, int64_t begin, int64_t end) {
  const auto pair = n.dropout > 0.0f ? AddNormPair<E, true, 2> : AddNormPair<E, false, 2>;
  const auto single = n.dropout > 0.0f ? AddNormPair<E, true, 1> : AddNormPair<E, false, 1>;
  for (int64_t row = begin; row < end; row += 2) {
    row + 1 < end ? pair(n, a, row) : single(n, a, row);
  }
}

template <class E>
void AddNormGradientRows(const AddNorm& n, const AddNormGradient& a, int64_t begin,
                         int64_t end, float* columns) {
  const bool drop = n.dropout > 0.0f;
  const auto pair = drop ? AddNormGradientPair<E, true, 2> : AddNormGradientPair<E, false, 2>;
  const auto single = drop ? AddNormGradientPair<E, true, 1> : AddNormGradientPair<E, false, 1>;
  for (int64_t row = begin; row < end; row += 2) {
    row + 1 < end ? pair(n, a, row, columns) : single(n, a, row, columns);
  }
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
