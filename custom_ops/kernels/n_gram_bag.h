// Texts to the n-grams that they hold: which of a vocabulary's, and how often.
//
// A text is cut into tokens at ASCII white space, after ASCII punctuation is taken out and
// ASCII letters are lowered, where that is asked for. The vocabulary is a trie: a word's node
// is its number, 0 to W - 1; a longer n-gram's node hangs under that of all but its last word.
// Column V, one past the last, stands for "not in the vocabulary".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "call.h"

namespace knl {

struct NGramParts {
  std::vector<std::string_view> words;  // [W], all different
  const int64_t* keys;                  // [K] node * W + word, of nodes W to W + K - 1
  int64_t num_keys;
  const int64_t* columns;  // [W + K]
  int64_t num_columns;     // V
};

// A vocabulary in one block of memory, without pointers, so that it can be stored and is read
// where it lies.
Problem MakeNGramModel(const NGramParts& parts, std::string* model);

// Reads such a block, aligned to 8 bytes, which must outlive this. Time and memory do not
// depend on its size: its head and length are checked, and what `MakeNGramModel` wrote behind
// them is trusted. Nodes are -1 where there is none.
class NGramModel {
 public:
  Problem Read(const void* data, size_t size);

  int64_t num_words() const;
  int64_t num_columns() const;
  int64_t Word(std::string_view token) const;
  int64_t Longer(int64_t node, int64_t word) const;
  int64_t Column(int64_t node) const;

 private:
  struct Header;
  struct Entry {
    uint64_t key;  // a word's hash, or node * W + word
    int64_t node;  // -1: nothing is here
  };
  const Header* header_ = nullptr;
  const Entry* words_ = nullptr;           // [word slots]
  const Entry* children_ = nullptr;        // [child slots]
  const int64_t* columns_ = nullptr;       // [nodes]
  const uint64_t* word_starts_ = nullptr;  // [W + 1]
  const char* word_bytes_ = nullptr;

  friend Problem MakeNGramModel(const NGramParts& parts, std::string* model);
};

struct NGramOptions {
  bool lower = true, strip = true;
  std::vector<int64_t> sizes;  // which n, rising
};

// A row's columns, rising, and how often each occurs.
struct NGramRows {
  std::vector<int64_t> columns;
  std::vector<float> counts;
};

// The bags of texts, in parts that follow one another; row_splits [N + 1] tells where in their
// concatenation each text's begin.
std::vector<NGramRows> NGramBags(const NGramModel& model, const NGramOptions& options,
                                 const std::vector<std::string_view>& texts, Workers& workers,
                                 int64_t* row_splits);

// The same of texts that are the places of words in `words_of_corpus`, which holds their
// numbers or -1: text i is tokens[splits[i]] to tokens[splits[i + 1]].
struct NumberedTexts {
  const int32_t* tokens;
  const int64_t* splits;  // [N + 1]
  int64_t count;          // N
  const int64_t* words_of_corpus;
  int64_t corpus_words;
};
Problem NGramBags(const NGramModel& model, const NGramOptions& options,
                  const NumberedTexts& texts, Workers& workers, std::vector<NGramRows>* parts,
                  int64_t* row_splits);

}  // namespace knl
