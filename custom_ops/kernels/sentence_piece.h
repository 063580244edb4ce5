// SentencePiece: text to the pieces of a trained model, as tensorflow-text's op has them.
//
// A text is normalized (sentence_piece_text.h) and cut into pieces (sentence_piece_paths.h).
// Where no piece has a space behind other characters, the two sides of such a place do not
// depend on one another, and a text is cut a word at a time, which can be remembered.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "call.h"
#include "sentence_piece_paths.h"
#include "sentence_piece_proto.h"
#include "sentence_piece_text.h"

namespace knl {

// A model in one block of memory, without pointers, so that it can be stored and is read where
// it lies. Refuses what is no model, and what only SentencePiece itself encodes: models of words
// or characters, byte pairs of which some are unused, and scores that are no numbers.
Problem MakeSentencePieceModel(const SentencePieceParts& parts, std::string* model);

// Reads such a block, aligned to 8 bytes, which must outlive this. Time and memory do not
// depend on its size: its head and length are checked, and what `MakeSentencePieceModel` wrote
// behind them is trusted.
class SentencePieceModel {
 public:
  Problem Read(const void* data, size_t size);

  uint64_t fingerprint() const;  // other models have another
  int64_t size() const;          // how many pieces there are
  bool merges() const;           // whether it is of byte pairs
  bool byte_fallback() const;    // whether what is unknown becomes its bytes
  bool ends_words() const;       // whether each space behind another character begins a word
  std::string_view Text(int32_t number) const;
  int32_t OfByte(unsigned char byte) const { return of_byte_[byte]; }
  bool IsNormal(int32_t number) const { return kinds_[number] == PieceKind::kNormal; }
  const PieceVocabulary& vocabulary() const { return vocabulary_; }
  const SentencePieceNormalizer& normalizer() const { return normalizer_; }

 private:
  struct Header;
  const Header* header_ = nullptr;
  const int32_t* of_byte_ = nullptr;        // [256]
  const uint64_t* text_starts_ = nullptr;   // [pieces + 1]
  const PieceKind* kinds_ = nullptr;        // [pieces]
  const char* texts_ = nullptr;
  PieceVocabulary vocabulary_;
  SentencePieceNormalizer normalizer_;

  friend Problem MakeSentencePieceModel(const SentencePieceParts& parts, std::string* model);
};

struct SentencePieceOptions {
  bool places = false;  // whether to tell `starts` and `ends`
  bool texts = false;   // whether to tell what was unknown
  int64_t most = 0;     // no need to go on in a text behind so many tokens; 0: all are wanted
};

// The tokens of texts, one text after the other.
struct SentencePieceTokens {
  std::vector<int32_t> numbers;
  std::vector<int64_t> starts, ends;  // in bytes of the text as it came
  // What was unknown, token by token: normalized text, where each one's ends.
  std::string unknown;
  std::vector<size_t> unknown_ends;
};

// Encodes texts, one at a time, and remembers words: a megabyte of them, whatever it reads.
// Beside that it keeps room for a text, until it is told to `Forget` it.
class SentencePieceEncoder {
 public:
  SentencePieceEncoder();
  ~SentencePieceEncoder();

  // Gives room back that only a very long text could need.
  void Forget();

  // Appends a text's tokens.
  void Encode(const SentencePieceModel& model, std::string_view text,
              const SentencePieceOptions& options, SentencePieceTokens* tokens);

 private:
  struct Word;

  void EncodeWord(std::string_view word);
  void FindPath(std::string_view text);
  void Learn(std::string_view word, Word* known);
  void Add(std::string_view text, int32_t number);
  void Place(size_t bytes);

  const SentencePieceModel* model_ = nullptr;
  uint64_t fingerprint_ = 0;
  std::unique_ptr<Word[]> cache_;
  UnigramPaths unigram_;
  MergePaths merges_;

  // The text that is encoded.
  NormalizedText normalized_;
  std::vector<PathPiece> path_;
  const SentencePieceOptions* options_ = nullptr;
  SentencePieceTokens* tokens_ = nullptr;
  int32_t* next_ = nullptr;  // where the next number goes
  size_t at_ = 0;            // how much of the normalized text has its tokens
  float score_ = 0;
  bool after_unknown_ = false;
};

// Encoders for batches of texts: kept from call to call, so that they go on remembering words.
// Calls may overlap.
class SentencePieceEncoders {
 public:
  // The tokens of all texts, in parts that follow one another; row_splits [N + 1] tells where
  // in their concatenation each text's begin.
  std::vector<SentencePieceTokens> Encode(const SentencePieceModel& model,
                                          const std::vector<std::string_view>& texts,
                                          const SentencePieceOptions& options, Workers& workers,
                                          int64_t* row_splits);

 private:
  std::unique_ptr<SentencePieceEncoder> Take();
  void PutBack(std::unique_ptr<SentencePieceEncoder> encoder);

  std::mutex mutex_;
  std::vector<std::unique_ptr<SentencePieceEncoder>> idle_;
};

}  // namespace knl
