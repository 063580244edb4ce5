// An input or output of an op, as bindings receive it. Knows no framework.
#pragma once

#include <cstdint>
#include <vector>

namespace knl {

// While a graph is built, data and sizes may not be known yet.
struct Array {
  const void* data = nullptr;  // null: not known
  bool ranked = false;
  std::vector<int64_t> sizes;  // -1: not known
};

// A pointer for an array without elements: null would say that the array is not there.
inline void* Present(const void* data) {
  static const char nothing = 0;
  return const_cast<void*>(data != nullptr ? data : &nothing);
}

}  // namespace knl
