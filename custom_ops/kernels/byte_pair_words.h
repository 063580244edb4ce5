// Cuts text into words as GPT-2 does before it merges bytes, by the regular expression
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// over UTF-8, matched by hand. A byte that is not part of any UTF-8 character is a character
// that is neither letter, number nor white space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace knl {

enum class CharacterClass : uint8_t { kOther, kLetter, kNumber, kSpace };

CharacterClass ClassOf(uint32_t code_point);

// One character of UTF-8.
struct Character {
  CharacterClass kind;
  uint8_t bytes;  // 1 to 4
};

// The first of a text that is not empty.
Character FirstCharacter(std::string_view text);

// How many bytes the first word of a text has. Joined, the words are the text. Linear in the
// word's length, but for the white space behind it.
size_t FirstWord(std::string_view text);

// How many bytes a text has without the white space that it ends with.
size_t TrimmedSize(std::string_view text);

}  // namespace knl
