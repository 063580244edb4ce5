// How fast attention is on the GPU of this machine, beside what the GPU could do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace knl {

struct BenchShape {
  int64_t batch, length, heads, width;
};

struct TimeOptions {
  std::vector<BenchShape> shapes;  // empty: the usual ones, and decoding
  int repeats = 7;
  std::string json;  // a file to write, if any
};

// Prints what it measures. False, with a sentence printed, if the file could not be written.
bool TimeAll(const TimeOptions& options);

}  // namespace knl
