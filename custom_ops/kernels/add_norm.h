// y = (s - mean(s)) / sqrt(var(s) + epsilon) * gamma + beta, where s = residual +
// drop(x + bias), and its gradient, each in one pass over the rows.
//
//   x, residual, y, sum and their gradients   [rows, width]
//   bias, gamma, beta and their gradients     [width]   float
//   mean, rstd                                [rows]    float
//
// All arrays are dense and row-major. Sums run in float. s is rounded to its type before it
// is normed, so that y is a function of the `sum` that is stored. Results do not depend on
// the number of workers, and dropout drops the same elements on every instruction set: as
// dropout.h says, with a row for a query, a feature for a key, and all else 0.
#pragma once

#include <cstdint>

#include "call.h"

namespace knl {

struct AddNorm {
  Element element = Element::kFloat32;  // of x, residual, y, sum and their gradients
  int64_t rows = 0;
  int64_t width = 0;  // at least 1
  float epsilon = 1e-5f;  // above 0: a row may be constant
  // Share of x + bias dropped, 0 to 0.9999, in steps of 2^-16; the rest grow to make up.
  float dropout = 0.0f;
  uint32_t seed[2] = {0, 0};
};

struct AddNormArrays {
  const void* x;
  const void* residual;  // may be null
  const float* bias;     // may be null
  const float* gamma;
  const float* beta;  // may be null
  void* y;            // may be x or residual
  void* sum;          // s; may be x or residual, not y; null where nothing is added: s is x
  float* mean;
  float* rstd;  // 1 / sqrt(var(s) + epsilon)
};

struct AddNormGradient {
  const void* dy;
  const void* dsum;  // null if nobody used s but this norm
  const void* sum;
  const float* mean;
  const float* rstd;
  const float* gamma;
  void* dx;         // may be dy, dsum or sum
  void* dresidual;  // may be null: without dropout it is dx; may be what dx may, not dx
  float* dbias;     // may be null
  float* dgamma;
  float* dbeta;  // may be null
};

// Shapes and options, before anything is allocated. Does not read arrays.
Problem CheckAddNorm(const AddNorm& n);

Problem AddNormForward(const AddNorm& n, const AddNormArrays& arrays, Workers& workers);
Problem AddNormBackward(const AddNorm& n, const AddNormGradient& arrays, Workers& workers);

}  // namespace knl
