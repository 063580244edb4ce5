#include "sentence_piece_text.h"

#include <algorithm>
#include <cstring>

namespace knl {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81", kBroken = "\xef\xbf\xbd";

// How many bytes the character has that a text begins with, 0 if it is not UTF-8.
size_t ValidCharacter(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (text.size() < bytes) return 0;
  // No longer form than it needs, no surrogate, and nothing above U+10FFFF.
  const int least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const int most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return bytes;
}

// The base of a unit of a map's trie.
size_t Base(uint32_t unit) { return (unit >> 10) << ((unit & (1 << 9)) >> 6); }

// Writes normalized text, whose room grows as it must.
template <bool origins>
class Writer {
 public:
  Writer(NormalizedText* text, bool escapes_spaces)
      : text_(*text), space_(escapes_spaces ? kSpace : " ") {
    text_.size = 0;
    text_.origins.clear();
  }

  // Makes room for so many bytes, all of which may be spaces.
  void Reserve(size_t count) {
    const size_t wanted = text_.size + kSpace.size() * count + NormalizedText::kBehind;
    if (text_.bytes.size() < wanted) text_.bytes.resize(std::max(wanted, 2 * text_.bytes.size()));
  }
  void Byte(char byte, size_t origin) {
    text_.bytes[text_.size++] = byte;
    if (origins) text_.origins.push_back(origin);
  }
  void Space(size_t origin) {
    std::memcpy(&text_.bytes[text_.size], space_.data(), space_.size());
    text_.size += space_.size();
    if (origins) text_.origins.insert(text_.origins.end(), space_.size(), origin);
  }
  void Text(std::string_view text, size_t origin) {
    for (char byte : text) byte == ' ' ? Space(origin) : Byte(byte, origin);
  }
  bool EndsWithSpace() const {
    return std::string_view(text_.bytes.data(), text_.size)
               .substr(text_.size - std::min(text_.size, space_.size())) == space_;
  }
  // Where the space that it ends with came from.
  size_t RemoveSpace() {
    text_.size -= space_.size();
    if (!origins) return 0;
    const size_t origin = text_.origins[text_.size];
    text_.origins.resize(text_.size);
    return origin;
  }

 private:
  NormalizedText& text_;
  const std::string_view space_;
};

}  // namespace

// ---- The map ----

bool CharacterMap::Step(unsigned char byte, size_t* unit) const {
  const uint32_t from = units[*unit];
  const size_t next = *unit ^ Base(from) ^ byte;
  if (next >= num_units || (units[next] & 0x800000ff) != byte) return false;
  *unit = next;
  return true;
}

bool CharacterMap::Value(size_t unit, std::string_view* text) const {
  const uint32_t from = units[unit];
  if ((from & (1 << 8)) == 0) return false;
  const size_t leaf = unit ^ Base(from);
  if (leaf >= num_units) return false;
  const size_t offset = units[leaf] & 0x7fffffff;
  if (offset >= text_bytes) return false;
  *text = texts + offset;
  return true;
}

CharacterMap::Match CharacterMap::Longest(std::string_view text) const {
  Match match = {0, {}};
  if (num_units == 0) return match;
  size_t unit = 0;
  for (size_t i = 0; i < text.size() && Step(text[i], &unit); ++i) {
    if (Value(unit, &match.text)) match.bytes = i + 1;
  }
  return match;
}

bool CharacterMap::JoinsAscii(unsigned char first) const {
  size_t unit = 0;
  if (num_units == 0 || !Step(first, &unit)) return false;
  for (int byte = 1; byte < 128; ++byte) {
    size_t next = unit;
    if (Step(byte, &next)) return true;
  }
  return false;
}

// ---- Texts ----

SentencePieceNormalizer::Prefix SentencePieceNormalizer::First(std::string_view text) const {
  if (!whole.empty()) {
    if (const size_t bytes = whole.LongestPrefix(text)) return {bytes, text.substr(0, bytes)};
  }
  const auto match = map.Longest(text);
  if (match.bytes > 0) return {match.bytes, match.text};
  if (const size_t bytes = ValidCharacter(text)) return {bytes, text.substr(0, bytes)};
  return {1, kBroken};
}

void SentencePieceNormalizer::Normalize(std::string_view text, bool origins,
                                        NormalizedText* normalized) const {
  origins ? Write<true>(text, normalized) : Write<false>(text, normalized);
}

template <bool origins>
void SentencePieceNormalizer::Write(std::string_view text, NormalizedText* normalized) const {
  Writer<origins> writer(normalized, escapes_spaces);
  size_t at = 0;
  while (joins_spaces && at < text.size()) {
    const Prefix prefix = First(text.substr(at));
    if (prefix.text != " ") break;
    at += prefix.bytes;
  }
  writer.Reserve(text.size() - at + 2);
  if (at < text.size()) {
    if (adds_space && !space_is_behind) writer.Space(at);
    bool after_space = joins_spaces;
    while (at < text.size()) {
      const unsigned char first = text[at];
      const bool ascii_follows =
          at + 1 == text.size() || static_cast<unsigned char>(text[at + 1]) < 0x80;
      if (first < 0x80 && ascii_follows && ascii[first] != 0) {
        const bool is_space = ascii[first] == ' ';
        if (!is_space) {
          writer.Byte(ascii[first], at);
        } else if (!after_space) {
          writer.Space(at);
        }
        after_space = is_space && joins_spaces;
        ++at;
        continue;
      }
      const Prefix prefix = First(text.substr(at));
      std::string_view part = prefix.text;
      while (after_space && !part.empty() && part[0] == ' ') part.remove_prefix(1);
      if (!part.empty()) {
        writer.Reserve(part.size() + text.size() - at + 1);
        writer.Text(part, at);
        after_space = part.back() == ' ';
      }
      after_space &= joins_spaces;
      at += prefix.bytes;
    }
    while (joins_spaces && writer.EndsWithSpace()) at = writer.RemoveSpace();
    if (adds_space && space_is_behind) writer.Space(at);
  }
  if (origins) normalized->origins.push_back(at);
}

void FillAscii(const SentencePieceNormalizer& normalizer, uint8_t* ascii) {
  for (int byte = 0; byte < 128; ++byte) {
    const char text = byte;
    uint32_t node = PieceTrie::kRoot;
    const bool whole = !normalizer.whole.empty() && normalizer.whole.Step(byte, &node);
    const auto match = normalizer.map.Longest({&text, 1});
    const bool one = match.bytes == 0 || match.text.size() == 1;
    const bool simple = !whole && one && !normalizer.map.JoinsAscii(byte);
    ascii[byte] = !simple ? 0 : match.bytes == 0 ? byte : match.text[0];
    if (ascii[byte] >= 128) ascii[byte] = 0;
  }
}

}  // namespace knl
