// Checks, and cuts the work into parts.
#include "add_norm.h"

#include "row_parts.h"

namespace knl {

Problem CheckAddNorm(const AddNorm& n) {
  if (n.rows < 0 || n.width < 1 || n.rows > INT32_MAX || n.width > INT32_MAX) {
    return Say("Rows must be from 0 and features from 1 to 2^31. Received: %lld rows of %lld.",
               static_cast<long long>(n.rows), static_cast<long long>(n.width));
  }
  if (!(n.epsilon > 0.0f && n.epsilon - n.epsilon == 0.0f)) {
    return Say("epsilon must be finite and above 0. Received: %g.", n.epsilon);
  }
  // Above, the threshold of 16 random bits would drop everything.
  if (!(n.dropout >= 0.0f && n.dropout <= 0.9999f)) {
    return Say("dropout must be at least 0 and at most 0.9999. Received: %g.", n.dropout);
  }
  return nullptr;
}

Problem AddNormForward(const AddNorm& n, const AddNormArrays& arrays, Workers& workers) {
  if (Problem problem = CheckAddNorm(n)) return problem;
  const Unit& unit = UnitFor(n.element);
  ForParts(RowParts(n.rows, n.width), workers,
           [&](int64_t begin, int64_t end) { unit.add_norm(n, arrays, begin, end); });
  return nullptr;
}

Problem AddNormBackward(const AddNorm& n, const AddNormGradient& arrays, Workers& workers) {
  if (Problem problem = CheckAddNorm(n)) return problem;
  const Unit& unit = UnitFor(n.element);
  float* const sums[] = {arrays.dgamma, arrays.dbeta, arrays.dbias};
  return ForPartsAndSum(RowParts(n.rows, n.width), 3, sums, workers,
                        [&](int64_t begin, int64_t end, float* columns) {
                          unit.add_norm_gradient(n, arrays, begin, end, columns);
                        });
}

}  // namespace knl
