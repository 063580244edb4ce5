// Holds byte-pair encoding to one merge after the other, and its words to the regular
// expression's alternatives, one by one.
#include "byte_pair.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "byte_pair_words.h"
#include "testing.h"

namespace knl {
namespace {

// ---- Plain formulas ----

std::vector<std::string> Characters(std::string_view text) {
  std::vector<std::string> characters;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = FirstCharacter(text.substr(at)).bytes;
    characters.emplace_back(text.substr(at, bytes));
    at += bytes;
  }
  return characters;
}

// The alternatives of the regular expressions, in their order.
size_t PlainWordOfLlama3(std::string_view text, size_t most_digits) {
  for (std::string contraction : {"s", "t", "re", "ve", "m", "ll", "d"}) {
    std::string folded;
    for (char c : text.substr(0, 1 + contraction.size())) folded += std::tolower(c);
    if (folded == "'" + contraction) return folded.size();
  }
  if (text.substr(0, 3) == "'\xc5\xbf") return 3;
  const auto characters = Characters(text);
  const auto kind = [&](size_t i) { return FirstCharacter(characters[i]).kind; };
  const auto newline = [&](size_t i) { return characters[i] == "\r" || characters[i] == "\n"; };
  const auto bytes = [&](size_t count) {
    size_t sum = 0;
    for (size_t i = 0; i < count; ++i) sum += characters[i].size();
    return sum;
  };
  const auto run = [&](size_t i, CharacterClass wanted) {
    while (i < characters.size() && kind(i) == wanted) ++i;
    return i;
  };
  using Class = CharacterClass;
  const bool in_front = kind(0) != Class::kLetter && kind(0) != Class::kNumber && !newline(0);
  for (size_t start : {size_t{in_front}, size_t{0}}) {
    if (const size_t end = run(start, Class::kLetter); end > start) return bytes(end);
  }
  if (const size_t end = run(0, Class::kNumber)) return bytes(std::min(end, most_digits));
  for (size_t start : {size_t{text[0] == ' '}, size_t{0}}) {
    size_t end = run(start, Class::kOther);
    if (end == start) continue;
    while (end < characters.size() && newline(end)) ++end;
    return bytes(end);
  }
  const size_t spaces = run(0, Class::kSpace);
  for (size_t end = spaces; end > 0; --end) {
    if (newline(end - 1)) return bytes(end);
  }
  return bytes(spaces < characters.size() && spaces > 1 ? spaces - 1 : spaces);
}

size_t PlainWord(std::string_view text, WordPattern pattern) {
  if (pattern == WordPattern::kLlama3) return PlainWordOfLlama3(text, 3);
  if (pattern == WordPattern::kQwen2) return PlainWordOfLlama3(text, 1);
  for (std::string_view contraction : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (text.substr(0, contraction.size()) == contraction) return contraction.size();
  }
  const auto run = [&](size_t at, CharacterClass kind) {
    for (const std::string& character : Characters(text.substr(at))) {
      if (FirstCharacter(character).kind != kind) break;
      at += character.size();
    }
    return at;
  };
  const size_t start = text[0] == ' ';
  for (CharacterClass kind :
       {CharacterClass::kLetter, CharacterClass::kNumber, CharacterClass::kOther}) {
    const size_t end = run(start, kind);
    if (end > start) return end;
  }
  const size_t end = run(0, CharacterClass::kSpace);
  const auto spaces = Characters(text.substr(0, end));
  return end < text.size() && spaces.size() > 1 ? end - spaces.back().size() : end;
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<int64_t> ids;
  std::vector<int32_t> of_byte, merges, whole, words;
  std::vector<uint8_t> takes_space;

  std::string Model() const {
    std::string model;
    const BytePairParts parts = {{tokens.begin(), tokens.end()},
                                 ids.data(),
                                 of_byte.data(),
                                 merges.data(),
                                 static_cast<int64_t>(merges.size() / 3),
                                 whole.data(),
                                 takes_space.data(),
                                 static_cast<int64_t>(whole.size()),
                                 words.data(),
                                 static_cast<int64_t>(words.size())};
    if (Problem problem = MakeBytePairModel(parts, &model)) Fail("%s", problem);
    return model;
  }
};

std::vector<int32_t> PlainMerge(const Vocabulary& v, std::string_view word) {
  std::vector<int32_t> numbers;
  for (unsigned char byte : word) numbers.push_back(v.of_byte[byte]);
  for (;;) {
    size_t best = v.merges.size(), at = 0;
    for (size_t i = 0; i + 1 < numbers.size(); ++i) {
      for (size_t m = 0; m < best; m += 3) {
        if (v.merges[m] == numbers[i] && v.merges[m + 1] == numbers[i + 1]) best = m, at = i;
      }
    }
    if (best == v.merges.size()) return numbers;
    numbers[at] = v.merges[best + 2];
    numbers.erase(numbers.begin() + at + 1);
  }
}

// Bytes 'a' to 'f', " ", "'" and two halves of "é", most of them; merges of whatever there is,
// in no sensible order; no pair twice.
Vocabulary MakeVocabulary(Random& random, bool all_bytes) {
  Vocabulary v;
  v.of_byte.assign(256, -1);
  const std::string letters = "abcdef '\xc3\xa9";
  for (int byte = 0; byte < 256; ++byte) {
    const bool common = letters.find(static_cast<char>(byte)) != std::string::npos;
    if (all_bytes || (common && byte != 'f')) {
      v.of_byte[byte] = v.tokens.size();
      v.tokens.push_back(std::string(1, byte));
    }
  }
  std::set<std::pair<int32_t, int32_t>> pairs;
  for (int i = 0; i < 40; ++i) {
    const int32_t left = random.Below(v.tokens.size()), right = random.Below(v.tokens.size());
    if (!pairs.insert({left, right}).second) continue;
    v.merges.insert(v.merges.end(), {left, right, static_cast<int32_t>(v.tokens.size())});
    v.tokens.push_back(v.tokens[left] + v.tokens[right]);
  }
  for (const char* whole : {"<m>", "<m>>", "cab"}) {
    v.whole.push_back(v.tokens.size());
    v.takes_space.push_back(v.whole.size() == 1);
    v.tokens.push_back(whole);
  }
  for (size_t i = 0; i < v.tokens.size(); ++i) v.ids.push_back(3 * i + (i > 5));
  for (int byte = 0; byte < 256; ++byte) {
    if (v.of_byte[byte] < 0) v.of_byte[byte] = v.tokens.size() + byte;
  }
  return v;
}

std::string MakeText(Random& random, int most) {
  static const char* const pieces[] = {
      "a", "b", "c", "d", "e", "f", "ab", "abc", "aaaa", " ", " ", "  ", "\n", "'", "'s", "'ll",
      "'v", "'S", "'lL", "'\xc5\xbf", "\r\n", "\t", "12", "\xc3\xa9", "\xc3", "\xa9", "1", "\xd9\xa3", "!", "?", "<m>", "<m", "<m>>", " <m>",
      "cab", "\xe4\xb8\xad", "\xe4\xb8", "\xf0\x9f\x91\xa9", "\xed\xa0\x80", "\xc0\x80", "\xff",
      "\xe3\x80\x80", "\xc2\x85", "\xc2\xa0", "\xf4\x90\x80\x80"};
  std::string text;
  for (int64_t n = random.Below(most); n > 0; --n) text += random.Of(pieces);
  if (random.Chance(0.1)) text += '\0';
  return text;
}

// ---- The tests ----

int TestWords() {
  Random random(1);
  int cases = 0;
  for (; cases < 60'000; ++cases) {
    const auto pattern = static_cast<WordPattern>(cases % 3);
    const std::string text = MakeText(random, 8);
    for (size_t at = 0; at < text.size();) {
      const std::string_view rest = std::string_view(text).substr(at);
      const size_t got = FirstWord(rest, pattern), wanted = PlainWord(rest, pattern);
      if (got != wanted) {
        Fail("\"%s\" begins with a word of %zu bytes instead of %zu", rest.data(), got, wanted);
        break;
      }
      at += got;
    }
  }
  return cases;
}

int TestCharacters() {
  // Of characters of every length, whole and cut off, and of bytes that begin none.
  int cases = 0;
  const auto check = [&](std::string_view text, size_t bytes) {
    ++cases;
    if (FirstCharacter(text).bytes != bytes) {
      Fail("a character of %d bytes instead of %zu", FirstCharacter(text).bytes, bytes);
    }
  };
  for (uint32_t c = 0x80; c < 0x110000; c += c < 0x900 ? 1 : 13) {
    if (c >= 0xd800 && c < 0xe000) continue;
    std::string text;
    if (c < 0x800) {
      text = {char(0xc0 | c >> 6), char(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      text = {char(0xe0 | c >> 12), char(0x80 | (c >> 6 & 63)), char(0x80 | (c & 63))};
    } else {
      text = {char(0xf0 | c >> 18), char(0x80 | (c >> 12 & 63)), char(0x80 | (c >> 6 & 63)),
              char(0x80 | (c & 63))};
    }
    check(text + "a", text.size());
    for (size_t cut = 1; cut < text.size(); ++cut) {
      check(text.substr(0, cut), cut);
      check(text.substr(0, cut) + "a", cut);
    }
  }
  for (const char* broken : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                             "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    check(broken, 1);
  }
  return cases;
}

int TestMerges() {
  Random random(2);
  int cases = 0;
  BytePairEncoder encoder;  // one for all: it must forget the last vocabulary's words
  for (int i = 0; i < 60; ++i) {
    const Vocabulary v = MakeVocabulary(random, i % 2 == 0);
    const std::string memory = v.Model();
    BytePairModel model;
    if (Problem problem = model.Read(memory.data(), memory.size())) Fail("%s", problem);
    for (int j = 0; j < 100; ++j, ++cases) {
      std::string text;
      for (int64_t n = random.Below(j % 10 == 0 ? 80 : 12); n > 0; --n) {
        text += "abcdef\xc3\xa9"[random.Below(8)];
      }
      // Without the token that stays whole, and as a single word.
      for (size_t at; (at = text.find("cab")) != std::string::npos;) text[at] = 'b';
      for (const std::string& character : Characters(text)) {
        if (FirstCharacter(character).kind != CharacterClass::kLetter) text.clear();
      }
      BytePairTokens tokens;
      encoder.Encode(model, text, {}, &tokens);
      if (tokens.numbers != PlainMerge(v, text)) Fail("\"%s\" merges otherwise", text.c_str());
    }
  }
  return cases;
}

int TestBatches() {
  Random random(3);
  int cases = 0;
  for (int i = 0; i < 40; ++i, ++cases) {
    const Vocabulary v = MakeVocabulary(random, true);
    const std::string memory = v.Model();
    BytePairModel model;
    if (Problem problem = model.Read(memory.data(), memory.size())) Fail("%s", problem);
    std::vector<std::string> texts;
    for (int64_t n = random.Below(30); n > 0; --n) {
      texts.push_back(MakeText(random, random.Chance(0.1) ? 9000 : 20));
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const bool prefix_space = i % 3 == 0;
    const BytePairOptions options = {static_cast<WordPattern>(i % 4 % 3), prefix_space, true};
    BytePairEncoders encoders;
    for (int count : {1, 4}) {
      Threads workers(count);
      std::vector<int64_t> row_splits(texts.size() + 1, -7);
      const auto parts =
          encoders.Encode(model, views, options, workers, row_splits.data());
      BytePairTokens all;
      for (const auto& part : parts) {
        all.numbers.insert(all.numbers.end(), part.numbers.begin(), part.numbers.end());
        all.ends.insert(all.ends.end(), part.ends.begin(), part.ends.end());
        all.words.insert(all.words.end(), part.words.begin(), part.words.end());
      }
      for (size_t t = 0; t < texts.size(); ++t) {
        const int64_t begin = row_splits[t], end = row_splits[t + 1];
        std::vector<int64_t> ids;
        int64_t at = 0;
        for (int64_t k = begin; k < end; ++k) {
          ids.push_back(v.ids[all.numbers[k]]);
          if (all.ends[k] < at) Fail("a token ends before it begins");
          at = all.ends[k];
          const int64_t last = k == begin ? -1 : all.words[k - 1];
          if (all.words[k] != last && all.words[k] != last + 1) Fail("a word is left out");
        }
        if (at != static_cast<int64_t>(texts[t].size())) Fail("the last token ends elsewhere");
        std::string back = BytePairDecode(model, ids.data(), ids.size());
        // A mask has taken spaces, and a prefix brings some: only without both it is equal.
        if (prefix_space || texts[t].find("<m>") != std::string::npos) continue;
        if (back != texts[t]) Fail("\"%s\" comes back as \"%s\"", texts[t].c_str(), back.c_str());
      }
    }
  }
  return cases;
}

int TestWordsOfTheVocabulary() {
  Random random(6);
  Vocabulary v = MakeVocabulary(random, true);
  // Words that no merges lead to.
  const std::vector<std::string> words = {"abcdefabcdef", " 'abcdef", "defdefdef"};
  for (const std::string& word : words) {
    v.words.push_back(v.tokens.size());
    v.ids.push_back(v.ids.back() + 1);
    v.tokens.push_back(word);
  }
  const std::string memory = v.Model();
  BytePairModel model;
  if (Problem problem = model.Read(memory.data(), memory.size())) Fail("%s", problem);
  for (size_t i = 0; i < words.size(); ++i) {
    if (model.FindWord(words[i]) != v.words[i]) Fail("\"%s\" is not found", words[i].c_str());
  }
  if (model.FindWord("abc") >= 0 || model.FindWord("") >= 0) Fail("an unknown word is found");
  BytePairEncoder encoder;
  BytePairTokens tokens;
  for (int i = 0; i < 2; ++i) encoder.Encode(model, "defdefdef", {}, &tokens);
  if (tokens.numbers != std::vector<int32_t>(2, v.words[2])) Fail("a known word is merged");
  return words.size() + 3;
}

int TestWholeTokens() {
  Random random(4);
  const Vocabulary v = MakeVocabulary(random, true);
  const std::string memory = v.Model();
  BytePairModel model;
  if (Problem problem = model.Read(memory.data(), memory.size())) Fail("%s", problem);
  const int32_t mask = v.whole[0], longer = v.whole[1], cab = v.whole[2];
  struct {
    const char* text;
    BytePairModel::Whole wanted;
  } const cases[] = {{"<m>", {mask, 0, 3}},         {"a \n<m>", {mask, 1, 6}},
                     {"<m>>", {longer, 0, 4}},      {" <m>>", {longer, 1, 5}},
                     {"<m", {-1, 0, 0}},            {"ca<m>cab", {mask, 2, 5}},
                     {"\xe3\x80\x80<m>", {mask, 0, 6}}, {"cacab", {cab, 2, 5}}};
  for (const auto& c : cases) {
    const auto got = model.NextWhole(c.text, 0);
    if (got.number != c.wanted.number || got.begin != c.wanted.begin || got.end != c.wanted.end) {
      Fail("in \"%s\" token %d at %zu to %zu", c.text, got.number, got.begin, got.end);
    }
  }
  return std::size(cases);
}

int TestRefusals() {
  Random random(5);
  Vocabulary v = MakeVocabulary(random, true);
  const std::string memory = v.Model();
  int cases = 0;
  for (size_t size : {size_t{0}, size_t{8}, memory.size() / 2, memory.size() - 1}) {
    BytePairModel model;
    if (model.Read(memory.data(), size) == nullptr) Fail("half a model is taken");
    ++cases;
  }
  v.merges[2] = v.tokens.size();
  std::string model;
  BytePairParts parts = {{v.tokens.begin(), v.tokens.end()}, v.ids.data(), v.of_byte.data(),
                         v.merges.data(), 1, v.whole.data(), v.takes_space.data(), 0, nullptr, 0};
  if (MakeBytePairModel(parts, &model) == nullptr) Fail("a merge makes an unknown token");
  return cases + 1;
}

}  // namespace
}  // namespace knl

int main() {
  using namespace knl;
  Group("characters of UTF-8, and what is none", TestCharacters);
  Group("words are the regular expression's", TestWords);
  Group("words merge one pair after the other", TestMerges);
  Group("texts come back; their tokens tile them", TestBatches);
  Group("words that the vocabulary has", TestWordsOfTheVocabulary);
  Group("tokens that stay whole", TestWholeTokens);
  Group("what is no model is refused", TestRefusals);
  return failures > 0;
}
