// Byte-level byte-pair encoding: text to the tokens that its bytes merge to, and back.
//
// A text is cut into words (byte_pair_words.h). A word starts as single bytes; of the pairs of
// neighbours that can merge, the one with the lowest rank becomes one token, the first of
// these, again and again. Tokens go by number: the vocabulary's 0 to V - 1, in the order of
// their ids, and V + b for a byte b that it does not have.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "byte_pair_words.h"
#include "call.h"

namespace knl {

// What a model is made of.
struct BytePairParts {
  std::vector<std::string_view> texts;  // [V] the bytes that each token stands for
  const int64_t* ids;                   // [V] rising
  const int32_t* of_byte;               // [256] the number of each byte's token
  const int32_t* merges;                // [R, 3] left, right, and what they make
  int64_t num_merges;
  const int32_t* whole;        // [W] tokens that stay whole where they stand in a text
  const uint8_t* takes_space;  // [W] whether it takes the white space before it along
  int64_t num_whole;
  const int32_t* words;  // [N] tokens that a word that they spell becomes without any merge
  int64_t num_words;
};

// A model in one block of memory, without pointers, so that it can be stored and is read where
// it lies. Where a pair merges twice, the last merge counts.
Problem MakeBytePairModel(const BytePairParts& parts, std::string* model);

// Reads such a block, aligned to 8 bytes, which must outlive this. Time and memory do not
// depend on its size: its head and length are checked, and what `MakeBytePairModel` wrote
// behind them is trusted.
class BytePairModel {
 public:
  Problem Read(const void* data, size_t size);

  uint64_t fingerprint() const;  // other models have another
  int64_t size() const;          // V
  int32_t OfByte(unsigned char byte) const { return of_byte_[byte]; }
  // Empty for a number that the vocabulary does not have.
  std::string_view Text(int64_t number) const;
  // The number of a token by its id, or -1.
  int64_t NumberOf(int64_t id) const;

  struct Merge {
    uint64_t pair;  // left << 32 | right
    uint32_t rank;
    int32_t made;
  };
  // Null if the pair does not merge.
  const Merge* Find(int32_t left, int32_t right) const;
  // The number of the token that a word becomes without any merge, or -1.
  int32_t FindWord(std::string_view word) const;

  // The first token in the text from `at` on that stays whole, and of several the longest;
  // number -1 if there is none.
  struct Whole {
    int32_t number = -1;
    size_t begin = 0, end = 0;  // with the white space that it takes
  };
  Whole NextWhole(std::string_view text, size_t at) const;

 private:
  struct Header;
  struct WholeToken {
    int32_t number;
    int32_t takes_space;
  };
  const Header* header_ = nullptr;
  const Merge* merges_ = nullptr;           // [slots]
  const int32_t* of_byte_ = nullptr;        // [256]
  const WholeToken* whole_ = nullptr;       // [W] by their first byte, the longest first
  const uint64_t* whole_starts_ = nullptr;  // [257] where those with a first byte begin
  const int64_t* words_ = nullptr;          // [word slots] numbers, -1 where there is none
  const int64_t* ids_ = nullptr;            // [V]
  const uint64_t* text_starts_ = nullptr;   // [V + 1]
  const char* texts_ = nullptr;

  friend Problem MakeBytePairModel(const BytePairParts& parts, std::string* model);
};

// The tokens of texts, one text after the other.
struct BytePairTokens {
  std::vector<int32_t> numbers;
  std::vector<int64_t> ends;   // in bytes of the text: a token begins where the last one ends
  std::vector<int64_t> words;  // which of its text's words a token is of, from 0
};

// How a batch of texts is encoded.
struct BytePairOptions {
  WordPattern pattern = WordPattern::kGpt2;
  // Whether a text, or what follows a token that stays whole, is read as if a space stood
  // before it where there is none; ends are the original's.
  bool prefix_space = false;
  bool places = false;  // whether to tell `ends` and `words`
};

// Encodes texts, one at a time, and remembers words: a megabyte of them, whatever it reads.
// Beside that it keeps room for the longest word and text, until it is told to `Forget` it.
class BytePairEncoder {
 public:
  BytePairEncoder();
  ~BytePairEncoder();

  // Gives room back that only a very long word or text could need.
  void Forget();

  // Appends a text's tokens.
  void Encode(const BytePairModel& model, std::string_view text, const BytePairOptions& options,
              BytePairTokens* tokens);

 private:
  struct Word;
  struct Pair;
  struct Part;

  void EncodeBetween(std::string_view text, const BytePairOptions& options, int64_t offset,
                     BytePairTokens* tokens);
  void EncodeWord(std::string_view word, std::vector<int32_t>* numbers);
  void Merge(std::string_view word, std::vector<int32_t>* numbers);
  void Offer(int32_t left);

  const BytePairModel* model_ = nullptr;
  uint64_t fingerprint_ = 0;
  int64_t word_ = 0;
  std::unique_ptr<Word[]> cache_;
  std::string prefixed_;
  std::vector<Part> parts_;  // of the word that is being merged
  std::vector<Pair> heap_;
};

// Encoders for batches of texts: kept from call to call, so that they go on remembering words.
// Calls may overlap.
class BytePairEncoders {
 public:
  // The tokens of all texts, in parts that follow one another; row_splits [N + 1] tells where
  // in their concatenation each text's begin.
  std::vector<BytePairTokens> Encode(const BytePairModel& model,
                                     const std::vector<std::string_view>& texts,
                                     const BytePairOptions& options, Workers& workers,
                                     int64_t* row_splits);

 private:
  std::unique_ptr<BytePairEncoder> Take();
  void PutBack(std::unique_ptr<BytePairEncoder> encoder);

  std::mutex mutex_;
  std::vector<std::unique_ptr<BytePairEncoder>> idle_;
};

// The text of ids, joined; an id that no token has stands for no text.
std::string BytePairDecode(const BytePairModel& model, const int64_t* ids, int64_t count);

}  // namespace knl
