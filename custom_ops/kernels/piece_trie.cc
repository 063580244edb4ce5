#include "piece_trie.h"

#include <algorithm>

namespace knl {
namespace {

using Strings = std::vector<std::pair<std::string_view, int32_t>>;

// Gives nodes their places. The last blocks that were added have their free cells in a list;
// what is free before them stays so, lest a search take longer and longer.
class Places {
 public:
  explicit Places(std::vector<TrieCell>* cells) : cells_(*cells) { AddCells(); }

  // A base whose cells for these bytes are free.
  uint32_t BaseFor(const std::vector<unsigned char>& bytes) {
    for (size_t cell = first_; cell != 0; cell = next_[cell]) {
      const size_t base = cell ^ bytes[0];
      const bool fits = !is_base_[base] && std::all_of(bytes.begin(), bytes.end(), [&](int c) {
        return is_free_[base ^ c];
      });
      if (fits) return Use(base, bytes);
    }
    const size_t base = cells_.size();
    AddCells();
    for (size_t cell = base; cell < base + kBlock; ++cell) Link(cell);
    if (base >= kOpen * kBlock) {
      for (size_t cell = base - kOpen * kBlock; cell < base - (kOpen - 1) * kBlock; ++cell) {
        if (is_free_[cell]) Unlink(cell);
      }
    }
    return Use(base, bytes);
  }

 private:
  static constexpr size_t kBlock = 256, kOpen = 16;

  void AddCells() {
    const size_t size = cells_.size() + kBlock;
    cells_.resize(size, {TrieCell::kFree, -1});
    is_base_.resize(size, false);
    is_free_.resize(size, false);
    next_.resize(size, 0);
    previous_.resize(size, 0);
  }
  void Link(size_t cell) {
    is_free_[cell] = true;
    previous_[cell] = last_;
    (last_ == 0 ? first_ : next_[last_]) = cell;
    last_ = cell;
  }
  void Unlink(size_t cell) {
    is_free_[cell] = false;
    (previous_[cell] == 0 ? first_ : next_[previous_[cell]]) = next_[cell];
    (next_[cell] == 0 ? last_ : previous_[next_[cell]]) = previous_[cell];
  }
  uint32_t Use(size_t base, const std::vector<unsigned char>& bytes) {
    is_base_[base] = true;
    for (unsigned char c : bytes) Unlink(base ^ c);
    return base;
  }

  std::vector<TrieCell>& cells_;
  std::vector<bool> is_base_, is_free_;
  std::vector<size_t> next_, previous_;  // of the free cells; 0 ends the list
  size_t first_ = 0, last_ = 0;
};

}  // namespace

size_t PieceTrie::LongestPrefix(std::string_view text) const {
  size_t longest = 0;
  uint32_t node = kRoot;
  for (size_t i = 0; i < text.size() && Step(text[i], &node); ++i) {
    if (Value(node) >= 0) longest = i + 1;
  }
  return longest;
}

Problem BuildTrie(const Strings& strings, std::vector<TrieCell>* cells) {
  for (size_t i = 0; i < strings.size(); ++i) {
    if (strings[i].first.empty()) return Say("A piece is empty.");
    if (i > 0 && strings[i - 1].first >= strings[i].first) return Say("A piece comes twice.");
  }
  cells->clear();
  Places places(cells);
  // The strings of a node, which are equal in their first `depth` bytes.
  struct Node {
    size_t cell, begin, end, depth;
  };
  std::vector<Node> nodes = {{PieceTrie::kRoot, 0, strings.size(), 0}};
  std::vector<Node> children;
  std::vector<unsigned char> bytes;
  while (!nodes.empty()) {
    Node node = nodes.back();
    nodes.pop_back();
    if (node.begin < node.end && strings[node.begin].first.size() == node.depth) {
      (*cells)[node.cell].value = strings[node.begin++].second;
    }
    if (node.begin == node.end) continue;
    bytes.clear();
    children.clear();
    for (size_t i = node.begin; i < node.end; ++i) {
      const unsigned char byte = strings[i].first[node.depth];
      if (bytes.empty() || bytes.back() != byte) {
        bytes.push_back(byte);
        children.push_back({0, i, i, node.depth + 1});
      }
      children.back().end = i + 1;
    }
    const uint32_t base = places.BaseFor(bytes);
    if (cells->size() > TrieCell::kMostCells) return Say("There are too many pieces.");
    (*cells)[node.cell].base_and_byte |= base << 9;
    for (size_t i = 0; i < bytes.size(); ++i) {
      children[i].cell = base ^ bytes[i];
      (*cells)[children[i].cell].base_and_byte = bytes[i];
      nodes.push_back(children[i]);
    }
  }
  return nullptr;
}

}  // namespace knl
