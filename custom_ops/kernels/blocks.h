// Blocks of memory that hold a head and arrays behind it, and no pointers, so that they can be
// stored and are read where they lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace knl {

// Finds the arrays behind a head of `head_bytes`, one after the other.
class BlockReader {
 public:
  BlockReader(const void* block, size_t head_bytes)
      : begin_(static_cast<const char*>(block)), at_(begin_ + head_bytes) {}

  template <class T>
  void Next(const T** array, size_t count) {
    *array = reinterpret_cast<const T*>(at_);
    at_ += count * sizeof(T);
  }
  // How many bytes the head and the arrays so far have.
  size_t size() const { return at_ - begin_; }

 private:
  const char* const begin_;
  const char* at_;
};

template <class T>
void AppendArray(const T* array, size_t count, std::string* block) {
  block->append(reinterpret_cast<const char*>(array), count * sizeof(T));
}

// How many places a table of so many entries has: a power of two, at least half of it empty.
inline size_t SlotsFor(size_t entries) {
  size_t slots = 8;
  while (slots < 2 * entries) slots *= 2;
  return slots;
}

inline bool IsSlots(uint64_t slots) {
  return slots >= 8 && slots < (uint64_t{1} << 40) && (slots & (slots - 1)) == 0;
}

}  // namespace knl
