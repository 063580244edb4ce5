// Cuts text into words as language models do before they merge bytes: by a regular expression
// over UTF-8, matched by hand. That of GPT-2 is
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// that of Llama 3
//
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
//   |\s*[\r\n]+|\s+(?!\S)|\s+
//
// and that of Qwen 2 the latter with \p{N} for \p{N}{1,3}. What is not UTF-8 is characters
// that are neither letter, number nor white space: a byte each, but for the bytes that begin a
// character and lack its end, which are one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace knl {

enum class WordPattern : uint8_t { kGpt2, kLlama3, kQwen2 };

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
size_t FirstWord(std::string_view text, WordPattern pattern);

// How many bytes a text has without the white space that it ends with.
size_t TrimmedSize(std::string_view text);

}  // namespace knl
