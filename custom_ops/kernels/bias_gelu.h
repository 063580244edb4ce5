// y = gelu(x + bias) and its gradient, each in one pass over the rows.
//
//   x, y, dx, dy   [rows, width]
//   bias, dbias    [width]   float
//
// gelu(h) = h Phi(h), Phi the normal distribution's; or, approximately, by its tanh formula.
// All arrays are dense and row-major; arithmetic is in float, and results do not depend on
// the number of workers.
#pragma once

#include <cstdint>

#include "call.h"

namespace knl {

struct BiasGelu {
  Element element = Element::kFloat32;  // of x, y and their gradients
  int64_t rows = 0;
  int64_t width = 0;  // at least 1
  bool approximate = false;
};

struct BiasGeluArrays {
  const void* x;
  const float* bias;  // may be null
  void* y;            // may be x
};

struct BiasGeluGradient {
  const void* dy;
  const void* x;
  const float* bias;  // may be null
  void* dx;           // may be dy or x
  float* dbias;       // null if bias is
};

Problem CheckBiasGelu(const BiasGelu& g);

Problem BiasGeluForward(const BiasGelu& g, const BiasGeluArrays& arrays, Workers& workers);
Problem BiasGeluBackward(const BiasGelu& g, const BiasGeluGradient& arrays, Workers& workers);

}  // namespace knl
