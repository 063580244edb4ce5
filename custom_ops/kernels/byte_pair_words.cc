#include "byte_pair_words.h"

#include <array>
#include <cstring>
#include <vector>

#include "character_classes.h"

namespace knl {
namespace {

// One byte a code point: a lookup is one load, and text uses few of its pages.
std::vector<CharacterClass> MakeTable() {
  std::vector<CharacterClass> table;
  for (const CharacterRange& range : kCharacterRanges) {
    table.resize(range.first, CharacterClass::kOther);
    table.resize(range.last + 1, range.kind);
  }
  return table;
}

const std::vector<CharacterClass>& Table() {
  static const auto* const table = new std::vector<CharacterClass>(MakeTable());
  return *table;
}

// Of what texts are mostly made of, without asking whether the table is there.
constexpr std::array<CharacterClass, 128> AsciiClasses() {
  std::array<CharacterClass, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    const int folded = c | 0x20;
    classes[c] = folded >= 'a' && folded <= 'z'     ? CharacterClass::kLetter
                 : c >= '0' && c <= '9'             ? CharacterClass::kNumber
                 : c == ' ' || (c >= 9 && c <= 13)  ? CharacterClass::kSpace
                                                    : CharacterClass::kOther;
  }
  return classes;
}
constexpr std::array<CharacterClass, 128> kAscii = AsciiClasses();

// How many bytes of "'s" and its like the text begins with, or 0.
size_t Contraction(std::string_view text, bool any_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const auto folded = [&](char c) { return any_case && c >= 'A' && c <= 'Z' ? c + 32 : c; };
  const char first = folded(text[1]);
  if (std::strchr("stmd", first) != nullptr && first != '\0') return 2;
  if (text.size() < 3) return 0;
  const char second = folded(text[2]);
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  // U+017F, the long s, is an s in another case.
  return any_case && text.substr(1, 2) == "\xc5\xbf" ? 3 : 0;
}

bool IsNewline(char c) { return c == '\r' || c == '\n'; }

// Where the run of characters of one kind ends that `at` is in.
size_t RunEnd(std::string_view text, size_t at, CharacterClass kind) {
  while (at < text.size()) {
    const Character next = FirstCharacter(text.substr(at));
    if (next.kind != kind) break;
    at += next.bytes;
  }
  return at;
}

// A word that begins with white space, but for what goes with the word behind it. A run of
// white space leaves its last character to that word, if it can.
size_t WhiteSpace(std::string_view text) {
  size_t at = 0, last = 0;
  while (at < text.size()) {
    const Character next = FirstCharacter(text.substr(at));
    if (next.kind != CharacterClass::kSpace) return last > 0 ? last : at;
    last = at;
    at += next.bytes;
  }
  return at;
}

size_t FirstWordOfGpt2(std::string_view text) {
  if (const size_t bytes = Contraction(text, false)) return bytes;
  const Character first = FirstCharacter(text);
  if (first.kind != CharacterClass::kSpace) return RunEnd(text, first.bytes, first.kind);
  if (text.size() == 1) return 1;
  if (text[0] == ' ') {
    const Character second = FirstCharacter(text.substr(1));
    if (second.kind != CharacterClass::kSpace) {
      return RunEnd(text, 1 + second.bytes, second.kind);
    }
  }
  return WhiteSpace(text);
}

size_t FirstWordOfLlama3(std::string_view text, int most_digits) {
  if (const size_t bytes = Contraction(text, true)) return bytes;
  const Character first = FirstCharacter(text);
  if (first.kind == CharacterClass::kLetter) return RunEnd(text, first.bytes, first.kind);
  if (first.kind == CharacterClass::kNumber) {
    size_t at = first.bytes;
    for (int digits = 1; digits < most_digits && at < text.size(); ++digits) {
      const Character next = FirstCharacter(text.substr(at));
      if (next.kind != CharacterClass::kNumber) break;
      at += next.bytes;
    }
    return at;
  }
  if (text.size() == first.bytes) return first.bytes;
  const Character second = FirstCharacter(text.substr(first.bytes));
  if (second.kind == CharacterClass::kLetter && !IsNewline(text[0])) {
    return RunEnd(text, first.bytes + second.bytes, second.kind);
  }
  if (first.kind == CharacterClass::kOther ||
      (text[0] == ' ' && second.kind == CharacterClass::kOther)) {
    size_t at = RunEnd(text, first.bytes, CharacterClass::kOther);
    while (at < text.size() && IsNewline(text[at])) ++at;
    return at;
  }
  // White space up to its last newline is a word.
  size_t newline = 0;
  for (size_t at = 0; at < text.size();) {
    const Character next = FirstCharacter(text.substr(at));
    if (next.kind != CharacterClass::kSpace) break;
    at += next.bytes;
    if (IsNewline(text[at - 1])) newline = at;
  }
  return newline > 0 ? newline : WhiteSpace(text);
}

}  // namespace

CharacterClass ClassOf(uint32_t code_point) {
  const auto& table = Table();
  return code_point < table.size() ? table[code_point] : CharacterClass::kOther;
}

Character FirstCharacter(std::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {kAscii[lead], 1};
  if (lead < 0xc2 || lead > 0xf4) return {CharacterClass::kOther, 1};
  // No longer form than it needs, no surrogate, and nothing above U+10FFFF.
  const int least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const int most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < least || byte(1) > most) return {CharacterClass::kOther, 1};
  const uint8_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  uint32_t code_point = lead & (0x7f >> bytes);
  for (uint8_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {CharacterClass::kOther, i};
    code_point = code_point << 6 | (byte(i) & 0x3f);
  }
  return {ClassOf(code_point), bytes};
}

size_t FirstWord(std::string_view text, WordPattern pattern) {
  if (pattern == WordPattern::kGpt2) return FirstWordOfGpt2(text);
  return FirstWordOfLlama3(text, pattern == WordPattern::kLlama3 ? 3 : 1);
}

size_t TrimmedSize(std::string_view text) {
  size_t size = 0;
  for (size_t at = 0; at < text.size();) {
    const Character next = FirstCharacter(text.substr(at));
    at += next.bytes;
    if (next.kind != CharacterClass::kSpace) size = at;
  }
  return size;
}

}  // namespace knl
