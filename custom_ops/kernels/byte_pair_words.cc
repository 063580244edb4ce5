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

bool Continues(unsigned char byte) { return (byte & 0xc0) == 0x80; }

// How many bytes of "'s" and its like the text begins with, or 0.
size_t Contraction(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  if (std::strchr("stmd", text[1]) != nullptr && text[1] != '\0') return 2;
  if (text.size() < 3) return 0;
  const std::string_view two = text.substr(1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

// Where the run of characters of one kind ends that `at` is in.
size_t RunEnd(std::string_view text, size_t at, CharacterClass kind) {
  while (at < text.size()) {
    const Character next = FirstCharacter(text.substr(at));
    if (next.kind != kind) break;
    at += next.bytes;
  }
  return at;
}

}  // namespace

CharacterClass ClassOf(uint32_t code_point) {
  const auto& table = Table();
  return code_point < table.size() ? table[code_point] : CharacterClass::kOther;
}

Character FirstCharacter(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {kAscii[lead], 1};
  const Character invalid = {CharacterClass::kOther, 1};
  const int bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < static_cast<size_t>(bytes)) return invalid;
  uint32_t code_point = lead & (0x7f >> bytes);
  for (int i = 1; i < bytes; ++i) {
    if (!Continues(byte(i))) return invalid;
    code_point = code_point << 6 | (byte(i) & 0x3f);
  }
  static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code_point >= 0xd800 && code_point < 0xe000;
  if (code_point < kLeast[bytes] || code_point > 0x10ffff || surrogate) return invalid;
  return {ClassOf(code_point), static_cast<uint8_t>(bytes)};
}

size_t FirstWord(std::string_view text) {
  if (const size_t bytes = Contraction(text)) return bytes;
  const Character first = FirstCharacter(text);
  if (first.kind != CharacterClass::kSpace) return RunEnd(text, first.bytes, first.kind);
  if (text.size() == 1) return 1;
  if (text[0] == ' ') {
    const Character second = FirstCharacter(text.substr(1));
    if (second.kind != CharacterClass::kSpace) {
      return RunEnd(text, 1 + second.bytes, second.kind);
    }
  }
  // A run of white space leaves its last character to the word behind it, if it can.
  size_t at = 0, last = 0;
  while (at < text.size()) {
    const Character next = FirstCharacter(text.substr(at));
    if (next.kind != CharacterClass::kSpace) return last > 0 ? last : at;
    last = at;
    at += next.bytes;
  }
  return at;
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
