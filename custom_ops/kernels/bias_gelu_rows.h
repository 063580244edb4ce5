// bias_gelu.h, a part of the rows at a time.
#pragma once

#include "bias_gelu.h"
#include "columns.h"
#include "gelu.h"

namespace knl {
namespace KNL_UNIT {
namespace {

template <class E, bool kApproximate, bool kBias>
void GeluRows(const BiasGelu& g, const BiasGeluArrays& a, int64_t begin, int64_t end) {
  using T = typename E::Type;
  int64_t D = g.width;
  const T* x = (const T*)a.x + begin * D;
  T* y = (T*)a.y + begin * D;
  const float* bias = a.bias;
  if (!kBias) D *= end - begin, end = begin + 1;  // all rows are one long one
  for (int64_t row = begin; row < end; ++row, x += D, y += D) {
    ForVectors(
        0, D,
        [&](int64_t j, int, int64_t count) KNL_LAMBDA_INLINE {
          Vec h = ReadPart<E>(x + j, count);
          if (kBias) h += ReadPart<Float32>(bias + j, count);
          return GeluAt<kApproximate>(h).value;
        },
        [&](int64_t j, int, int64_t count, Vec v) KNL_LAMBDA_INLINE {
          WritePart<E>(y + j, v, count);
        });
  }
}

template <class E>
void BiasGeluRows(const BiasGelu& g, const BiasGeluArrays& a, int64_t begin, int64_t end) {
  if (a.bias == nullptr) {
    return g.approximate ? GeluRows<E, true, false>(g, a, begin, end)
                         : GeluRows<E, false, false>(g, a, begin, end);
  }
  return g.approximate ? GeluRows<E, true, true>(g, a, begin, end)
                       : GeluRows<E, false, true>(g, a, begin, end);
}

template <class E, bool kApproximate, bool kBias>
void GeluGradientRows(const BiasGelu& g, const BiasGeluGradient& a, int64_t begin, int64_t end,
                      float* dbias) {
  using T = typename E::Type;
  int64_t D = g.width;
  const T *x = (const T*)a.x + begin * D, *dy = (const T*)a.dy + begin * D;
  T* dx = (T*)a.dx + begin * D;
  const float* bias = a.bias;
  if (!kBias) D *= end - begin, end = begin + 1;
  for (int64_t row = begin; row < end; ++row, x += D, dy += D, dx += D) {
    ForVectors(
        0, D,
        [&](int64_t j, int, int64_t count) KNL_LAMBDA_INLINE {
          Vec h = ReadPart<E>(x + j, count);
          if (kBias) h += ReadPart<Float32>(bias + j, count);
          return ReadPart<E>(dy + j, count) * GeluAt<kApproximate>(h).slope;
        },
        [&](int64_t j, int, int64_t count, Vec d) KNL_LAMBDA_INLINE {
          WritePart<E>(dx + j, d, count);
          if (kBias) Store(dbias + j, Load(dbias + j) + d);
        });
  }
}

template <class E>
void BiasGeluGradientRows(const BiasGelu& g, const BiasGeluGradient& a, int64_t begin,
                          int64_t end, float* columns) {
  if (a.bias == nullptr) {
    return g.approximate ? GeluGradientRows<E, true, false>(g, a, begin, end, columns)
                         : GeluGradientRows<E, false, false>(g, a, begin, end, columns);
  }
  return g.approximate ? GeluGradientRows<E, true, true>(g, a, begin, end, columns)
                       : GeluGradientRows<E, false, true>(g, a, begin, end, columns);
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
