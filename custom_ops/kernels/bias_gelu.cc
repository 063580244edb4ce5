// Checks, and cuts the work into parts.
#include "bias_gelu.h"

#include "row_parts.h"

namespace knl {

Problem CheckBiasGelu(const BiasGelu& g) {
  if (g.rows < 0 || g.width < 1 || g.rows > INT32_MAX || g.width > INT32_MAX) {
    return Say("Rows must be from 0 and features from 1 to 2^31. Received: %lld rows of %lld.",
               static_cast<long long>(g.rows), static_cast<long long>(g.width));
  }
  return nullptr;
}

Problem BiasGeluForward(const BiasGelu& g, const BiasGeluArrays& arrays, Workers& workers) {
  if (Problem problem = CheckBiasGelu(g)) return problem;
  const Unit& unit = UnitFor(g.element);
  ForParts(RowParts(g.rows, g.width), workers,
           [&](int64_t begin, int64_t end) { unit.bias_gelu(g, arrays, begin, end); });
  return nullptr;
}

Problem BiasGeluBackward(const BiasGelu& g, const BiasGeluGradient& arrays, Workers& workers) {
  if (Problem problem = CheckBiasGelu(g)) return problem;
  const Unit& unit = UnitFor(g.element);
  const RowParts parts(g.rows, g.width);
  if (arrays.bias == nullptr) {
    ForParts(parts, workers, [&](int64_t begin, int64_t end) {
      unit.bias_gelu_gradient(g, arrays, begin, end, nullptr);
    });
    return nullptr;
  }
  return ForPartsAndSum(parts, 1, &arrays.dbias, workers,
                        [&](int64_t begin, int64_t end, float* columns) {
                          unit.bias_gelu_gradient(g, arrays, begin, end, columns);
                        });
}

}  // namespace knl
