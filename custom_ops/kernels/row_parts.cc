#include "row_parts.h"

#include <algorithm>
#include <cstring>

#include "workers.h"

namespace knl {

RowParts::RowParts(int64_t rows, int64_t width) : rows(rows), width(width) {
  // Some 64 parts keep any machine busy. Longer ones than 256 rows would lose digits of the
  // sums, and of fewer elements than 2^14 not be worth a thread.
  constexpr int64_t kParts = 64, kLeast = 16, kMost = 256, kElements = 1 << 14;
  rows_each = std::clamp(rows / kParts, kLeast, kMost);
  rows_each = std::max(rows_each, kElements / width);
  rows_each += rows_each % 2;
  count = (rows + rows_each - 1) / rows_each;
}

void ForParts(const RowParts& parts, Workers& workers,
              const std::function<void(int64_t, int64_t)>& body) {
  RunTasks(workers, parts.count, [&](int64_t index, int) {
    const int64_t begin = index * parts.rows_each;
    body(begin, std::min(begin + parts.rows_each, parts.rows));
  });
}

Problem ForPartsAndSum(const RowParts& parts, int count, float* const* sums, Workers& workers,
                       const std::function<void(int64_t, int64_t, float*)>& body) {
  const int64_t stride = (parts.width + kColumnStep - 1) / kColumnStep * kColumnStep;
  const int64_t size = count * stride;
  const size_t bytes = std::max<int64_t>(1, parts.count) * size * sizeof(float);
  float* columns = static_cast<float*>(workers.Scratch(std::max<size_t>(64, bytes)));
  if (columns == nullptr) {
    return Say("There was no memory for the sums over rows: %lld bytes.",
               static_cast<long long>(bytes));
  }
  RunTasks(workers, parts.count, [&](int64_t index, int) {
    const int64_t begin = index * parts.rows_each;
    float* mine = columns + index * size;
    std::memset(mine, 0, size * sizeof(float));
    body(begin, std::min(begin + parts.rows_each, parts.rows), mine);
  });
  const Unit& unit = UnitFor(Element::kFloat32);
  constexpr int64_t kColumns = 512;
  const int64_t chunks = (parts.width + kColumns - 1) / kColumns;
  RunTasks(workers, chunks * count, [&](int64_t index, int) {
    const int64_t which = index / chunks, begin = index % chunks * kColumns;
    if (sums[which] == nullptr) return;
    unit.sum(columns + which * stride, parts.count, size, begin,
             std::min(begin + kColumns, parts.width), sums[which]);
  });
  return nullptr;
}

}  // namespace knl
