// A trie of byte strings, in an array that is read where it lies.
//
// From a node that has base b, byte c leads to cell b ^ c, if that cell is c's. No two nodes
// have the same base, but for those without children, which have 0: the first 256 cells are
// nobody's, but for the root, cell 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "call.h"

namespace knl {

struct TrieCell {
  static constexpr uint32_t kFree = 0x1ff;
  static constexpr uint32_t kMostCells = 1 << 23;
  uint32_t base_and_byte;  // base << 9 | the byte that leads here, or kFree
  int32_t value;           // -1 where no string ends
};

class PieceTrie {
 public:
  static constexpr uint32_t kRoot = 0;

  // Without cells it holds nothing.
  explicit PieceTrie(const TrieCell* cells = nullptr) : cells_(cells) {}

  // Goes on by a byte, if any string does.
  bool Step(unsigned char byte, uint32_t* node) const {
    const uint32_t next = (cells_[*node].base_and_byte >> 9) ^ byte;
    if ((cells_[next].base_and_byte & TrieCell::kFree) != byte) return false;
    *node = next;
    return true;
  }
  int32_t Value(uint32_t node) const { return cells_[node].value; }

  bool empty() const { return cells_ == nullptr; }
  // How many bytes the longest string has that a text begins with; 0 if there is none.
  size_t LongestPrefix(std::string_view text) const;

 private:
  const TrieCell* cells_;
};

// The cells for strings in rising order, none of them empty, none twice, with their values.
Problem BuildTrie(const std::vector<std::pair<std::string_view, int32_t>>& strings,
                  std::vector<TrieCell>* cells);

}  // namespace knl
