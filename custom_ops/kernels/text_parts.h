// Shares texts among workers: a part of them is worked on at a time, in order.
#pragma once

#include <cstdint>
#include <vector>

#include "workers.h"

namespace knl {

// What all texts give, in parts that follow one another; row_splits [count + 1] tells where in
// their concatenation each text's begins. `start()` gives a function for each part,
// work(text, part), which adds a text's to it and returns how much the part has by then.
// size_of(text) is in bytes.
template <class Part, class SizeOf, class Start>
std::vector<Part> InParts(size_t count, SizeOf size_of, Workers& workers, int64_t* row_splits,
                          Start start) {
  constexpr size_t kLeast = 1 << 14;  // bytes that are worth another thread's attention
  std::vector<size_t> begins = {0};
  size_t bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    if (bytes >= kLeast) begins.push_back(i), bytes = 0;
    bytes += size_of(i);
  }
  begins.push_back(count);

  std::vector<Part> parts(begins.size() - 1);
  row_splits[0] = 0;
  RunTasks(workers, parts.size(), [&](int64_t part, int) {
    auto work = start();
    for (size_t i = begins[part]; i < begins[part + 1]; ++i) {
      row_splits[i + 1] = work(i, &parts[part]);
    }
  });
  // So far they count from each part's own beginning.
  for (size_t part = 1; part < parts.size(); ++part) {
    const int64_t before = row_splits[begins[part]];
    for (size_t i = begins[part]; i < begins[part + 1]; ++i) row_splits[i + 1] += before;
  }
  return parts;
}

}  // namespace knl
