// Normalizes text as SentencePiece does before it looks for pieces: characters are replaced by
// a model's map, spaces become U+2581, bytes that are not UTF-8 become U+FFFD.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "piece_trie.h"

namespace knl {

// What each text that a map replaces becomes. The keys are a trie of units of 32 bits, which is
// part of model files: a unit has in bits 0 to 7 and 31 its byte, in 8 whether a value is at its
// base, in 10 to 30 its base, shifted by 8 more if bit 9 is set. Values are offsets of `texts`,
// where each text ends with a zero. Nothing in it is trusted but the sizes.
struct CharacterMap {
  const uint32_t* units = nullptr;
  size_t num_units = 0;
  const char* texts = nullptr;  // the last byte is a zero
  size_t text_bytes = 0;

  struct Match {
    size_t bytes;  // 0: nothing is replaced
    std::string_view text;
  };
  // The longest of its keys that a text begins with.
  Match Longest(std::string_view text) const;
  // Whether a key of at least two bytes, all of them ASCII, begins with this one.
  bool JoinsAscii(unsigned char first) const;

 private:
  bool Step(unsigned char byte, size_t* unit) const;
  bool Value(size_t unit, std::string_view* text) const;
};

// A text's bytes and where they come from; kept from text to text for its room.
struct NormalizedText {
  // Bytes behind the end that may be read.
  static constexpr size_t kBehind = 32;

  std::vector<char> bytes;  // [at least size + kBehind]
  size_t size = 0;
  // [size + 1] how many bytes of the original had been read when each was written, if asked for.
  std::vector<int64_t> origins;
};

struct SentencePieceNormalizer {
  CharacterMap map;
  PieceTrie whole;  // what is never replaced: symbols that users defined
  // [128] the byte that one becomes if ASCII follows; 0: look at the map
  const uint8_t* ascii = nullptr;
  bool adds_space = true, space_is_behind = false, joins_spaces = true, escapes_spaces = true;

  void Normalize(std::string_view text, bool origins, NormalizedText* normalized) const;

 private:
  struct Prefix {
    size_t bytes;
    std::string_view text;
  };
  Prefix First(std::string_view text) const;
  template <bool origins>
  void Write(std::string_view text, NormalizedText* normalized) const;
};

// Fills `ascii` [128] from the rest.
void FillAscii(const SentencePieceNormalizer& normalizer, uint8_t* ascii);

// How many bytes the first character of a text has, by its first byte alone.
inline size_t CharacterBytes(std::string_view text) {
  static constexpr uint8_t kBytes[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
  const size_t bytes = kBytes[static_cast<unsigned char>(text[0]) >> 4];
  return bytes < text.size() ? bytes : text.size();
}

}  // namespace knl
