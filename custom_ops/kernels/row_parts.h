// Cuts rows into parts that are worked on at once. The shapes alone say how, so that sums
// over the rows, made part by part, are the same on any number of threads.
#pragma once

#include <cstdint>
#include <functional>

#include "call.h"
#include "units.h"

namespace knl {

struct RowParts {
  RowParts(int64_t rows, int64_t width);

  int64_t rows, width;
  int64_t rows_each;  // but for the last; even, since dropout draws for two rows at a time
  int64_t count;
};

// Runs body(begin, end) for every part.
void ForParts(const RowParts& parts, Workers& workers,
              const std::function<void(int64_t begin, int64_t end)>& body);

// Runs body(begin, end, columns) for every part, with zeros for `count` sums over its rows, as
// units.h has them; then adds up all parts' into sums[i] [width], where that is not null.
Problem ForPartsAndSum(const RowParts& parts, int count, float* const* sums, Workers& workers,
                       const std::function<void(int64_t, int64_t, float*)>& body);

}  // namespace knl
