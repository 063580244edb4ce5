// y = (x W) scale + bias for few rows x: the time is W's way from memory, which it goes once,
// in the type in which it is stored.
//
//   x     [rows, inputs]
//   W     [inputs, outputs], or transposed [outputs, inputs], as a table of embeddings is
//   y     [rows, outputs]; may not overlap x
//   scale, bias  [outputs]  float
//
// All arrays are dense and row-major. Sums run in float. Where W is int8, a row of x is rounded
// to 16 bits of its largest element first, and meets W in whole numbers. Results do not depend
// on the number of workers. Any number of rows is right; W is read once for every 32 of them.
#pragma once

#include <cstdint>

#include "call.h"

namespace knl {

enum class Weights { kFloat32, kBFloat16, kFloat16, kInt8 };

struct FewRows {
  Element element = Element::kFloat32;   // of x and y
  Weights weights = Weights::kFloat32;   // of W
  bool transposed = false;
  int64_t rows = 0;
  int64_t inputs = 0;
  int64_t outputs = 0;
};

struct FewRowsArrays {
  const void* x;
  const void* weights;
  const float* scale;  // may be null
  const float* bias;   // may be null
  void* y;
};

// Sizes, before anything is allocated. Does not read arrays.
Problem CheckFewRows(const FewRows& f);

Problem FewRowsForward(const FewRows& f, const FewRowsArrays& arrays, Workers& workers);

}  // namespace knl
