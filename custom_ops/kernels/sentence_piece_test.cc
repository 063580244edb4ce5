// Holds SentencePiece to plain formulas: one best path over a whole text, one merge after the
// other, one character replaced after the other.
#include "sentence_piece.h"

#include <algorithm>
#include <cfloat>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "testing.h"

namespace knl {
namespace {

using Map = std::map<std::string, std::string>;

const std::string kSpace = "\xe2\x96\x81", kBroken = "\xef\xbf\xbd";

// ---- Models ----

// A file's map of characters: a block of 256 units for each node of the trie.
std::string MapFile(const Map& map) {
  std::map<std::string, uint32_t> nodes = {{"", 0}};
  for (const auto& rule : map) {
    for (size_t i = 1; i <= rule.first.size(); ++i) {
      nodes.emplace(rule.first.substr(0, i), nodes.size());
    }
  }
  std::map<std::string, uint32_t> places = {{"", 0}};
  const auto base = [&](const std::string& key) { return 256 * (nodes.at(key) + 1); };
  for (const auto& node : nodes) {
    const std::string& key = node.first;
    if (key.empty()) continue;
    const std::string parent = key.substr(0, key.size() - 1);
    places[key] = base(parent) ^ static_cast<unsigned char>(key.back());
  }
  std::vector<uint32_t> units(256 * (nodes.size() + 1), 1u << 31);  // no byte has bit 31
  std::string texts;
  for (const auto& node : nodes) {
    const std::string& key = node.first;
    const uint32_t byte = key.empty() ? 0 : static_cast<unsigned char>(key.back());
    uint32_t offset = places[key] ^ base(key);
    const bool ends = map.count(key) > 0;
    units[places[key]] = offset << 10 | ends << 8 | byte;
    if (!ends) continue;
    units[base(key)] = 1u << 31 | texts.size();
    texts += map.at(key) + '\0';
  }
  const uint32_t bytes = units.size() * sizeof(uint32_t);
  std::string file(reinterpret_cast<const char*>(&bytes), sizeof bytes);
  return file.append(reinterpret_cast<const char*>(units.data()), bytes) + texts;
}

// A model and what it is made of, whose texts it keeps.
struct Vocabulary {
  std::vector<std::string> texts;
  std::map<std::string, int32_t, std::less<>> numbers;  // of those that are text
  Map map;
  std::string map_file;
  SentencePieceParts parts;
  std::string block;
  SentencePieceModel model;

  void Add(const std::string& text, float score, PieceKind kind = PieceKind::kNormal) {
    if (std::find(texts.begin(), texts.end(), text) != texts.end()) return;
    texts.push_back(text);
    parts.pieces.push_back({{}, score, kind});
  }
  Problem Make() {
    for (size_t i = 0; i < texts.size(); ++i) {
      const PieceKind kind = parts.pieces[i].kind;
      const bool is_text = kind == PieceKind::kNormal || kind == PieceKind::kUserDefined;
      if (is_text) numbers[texts[i]] = i;
      parts.pieces[i].text = texts[i];
    }
    map_file = map.empty() ? "" : MapFile(map);
    parts.character_map = map_file;
    if (Problem problem = MakeSentencePieceModel(parts, &block)) return problem;
    return model.Read(block.data(), block.size());
  }
};

const char* const kCharacters[] = {"a", "b", "c", "d", "\xc3\xa9", "\xe2\x96\x81"};

// Pieces of a few characters, most of which are pieces themselves. Scores that often add up to
// the same, or nearly: halves, a little off.
Vocabulary MakeVocabulary(Random& random, bool merges, bool across_words) {
  Vocabulary v;
  v.parts.algorithm = merges ? PieceAlgorithm::kBytePair : PieceAlgorithm::kUnigram;
  v.Add("<unk>", 0, PieceKind::kUnknown);
  v.Add("<s>", 0, PieceKind::kControl);
  const auto score = [&] {
    return -1 - random.Below(12) * 0.5f + (random.Chance(0.5) ? random.Normal() * 1e-3f : 0);
  };
  for (const char* character : kCharacters) {
    if (random.Chance(0.9)) v.Add(character, score());
  }
  for (int i = 0; i < 40; ++i) {
    std::string piece = random.Chance(0.4) ? kSpace : "";
    for (int64_t n = 2 + random.Below(4); n > 0; --n) {
      piece += kCharacters[random.Below(across_words ? 6 : 5)];
    }
    v.Add(piece, score());
  }
  v.parts.adds_space = random.Chance(0.7);
  v.parts.joins_spaces = random.Chance(0.7);
  if (random.Chance(0.3)) {
    for (const char* symbol : {"<x>", "<x>>", "ab", "\xc3\xa9"}) {
      v.Add(symbol, 0, PieceKind::kUserDefined);
    }
  }
  if (random.Chance(0.3)) {
    v.parts.byte_fallback = true;
    for (int byte = 0; byte < 256; ++byte) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", byte);
      v.Add(name, 0, PieceKind::kByte);
    }
  }
  if (random.Chance(0.6)) {
    v.map = {{"A", "a"},          {"\t", " "},         {"\xc2\xa0", " "}, {"e\xcc\x81", "\xc3\xa9"},
             {"\xef\xac\x81", "ab"}, {"\xc2\xa8", " \xcc\x88"}, {"\xc2\xad", ""},   {"\x01", ""},
             {"bb", "c"}};
  }
  return v;
}

std::string MakeText(Random& random, int most) {
  static const char* const pieces[] = {"a", "b", "c", "d", "ab", "abc", "aaaa", "bb", " ", " ", " ",
                                       "  ", "\t", "\xc3\xa9", "e\xcc\x81", "\xc3", "\xa9", "A",
                                       "\xc2\xa0", "\xef\xac\x81", "\xc2\xa8", "\xc2\xad", "\x01",
                                       "<x>", "<x", "<x>>", "\xe2\x96\x81", "\xe4\xb8\xad",
                                       "\xed\xa0\x80", "\xff", "e", "\xf0\x9f\x91\xa9"};
  std::string text;
  for (int64_t n = random.Below(most); n > 0; --n) text += random.Of(pieces);
  if (random.Chance(0.1)) text += '\0';
  return text;
}

// ---- Plain formulas ----

struct Token {
  int32_t number;
  std::string text;  // normalized
  int64_t start, end;
  bool operator==(const Token& o) const {
    return number == o.number && text == o.text && start == o.start && end == o.end;
  }
};

size_t PlainCharacter(const std::string& text, size_t at) {
  const unsigned char lead = text[at];
  const size_t bytes = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return std::min(bytes, text.size() - at);
}

bool IsUtf8(const std::string& character) {
  // The characters that the texts of the tests have, and no other.
  static const std::set<std::string> known = {
      "\xc3\xa9", "\xcc\x81", "\xc2\xa0", "\xef\xac\x81", "\xc2\xa8", "\xc2\xad",
      "\xe2\x96\x81", "\xe4\xb8\xad", "\xf0\x9f\x91\xa9"};
  return (character.size() == 1 && static_cast<unsigned char>(character[0]) < 0x80) ||
         known.count(character) > 0;
}

// The normalized text, and where each of its bytes, and its end, come from.
std::pair<std::string, std::vector<int64_t>> PlainNormalize(const Vocabulary& v,
                                                            const std::string& text) {
  struct Part {
    std::string text;
    size_t at;
  };
  std::vector<Part> parts;
  for (size_t at = 0; at < text.size();) {
    std::string key, value;
    const auto consider = [&](const std::string& k, const std::string& becomes) {
      if (text.compare(at, k.size(), k) == 0 && k.size() > key.size()) key = k, value = becomes;
    };
    for (size_t i = 0; i < v.texts.size(); ++i) {
      if (v.parts.pieces[i].kind == PieceKind::kUserDefined) consider(v.texts[i], v.texts[i]);
    }
    if (key.empty()) {
      for (const auto& rule : v.map) consider(rule.first, rule.second);
    }
    if (key.empty()) {
      key = text.substr(at, PlainCharacter(text, at));
      if (!IsUtf8(key)) key = text.substr(at, 1);
      value = IsUtf8(key) ? key : kBroken;
    }
    parts.push_back({value, at});
    at += key.size();
  }
  const bool joins = v.parts.joins_spaces;
  size_t first = 0;
  while (joins && first < parts.size() && parts[first].text == " ") ++first;
  parts.erase(parts.begin(), parts.begin() + first);
  std::string normalized;
  std::vector<int64_t> origins;
  int64_t end = text.size();
  if (parts.empty()) return {normalized, {end}};
  const auto write = [&](const std::string& part, int64_t at) {
    normalized += part;
    origins.insert(origins.end(), part.size(), at);
  };
  if (v.parts.adds_space && !v.parts.space_is_behind) write(kSpace, parts[0].at);
  bool after_space = joins;
  for (Part part : parts) {
    while (after_space && part.text.substr(0, 1) == " ") part.text.erase(0, 1);
    for (char c : part.text) write(c == ' ' ? kSpace : std::string(1, c), part.at);
    if (!part.text.empty()) after_space = joins && part.text.back() == ' ';
  }
  while (joins && normalized.size() >= 3 && normalized.substr(normalized.size() - 3) == kSpace) {
    normalized.resize(normalized.size() - 3);
    end = origins[normalized.size()];
    origins.resize(normalized.size());
  }
  if (v.parts.adds_space && v.parts.space_is_behind) write(kSpace, end);
  origins.push_back(end);
  return {normalized, origins};
}

int32_t PlainNumber(const Vocabulary& v, std::string_view text) {
  const auto found = v.numbers.find(text);
  return found == v.numbers.end() ? -1 : found->second;
}

using Path = std::vector<std::pair<int32_t, std::string>>;

Path PlainUnigram(const Vocabulary& v, const std::string& text) {
  float least = FLT_MAX, most = FLT_MIN;
  for (const Piece& piece : v.parts.pieces) {
    if (piece.kind == PieceKind::kNormal) least = std::min(least, piece.score);
    if (piece.kind == PieceKind::kNormal) most = std::max(most, piece.score);
  }
  struct End {
    float score = 0;
    int begin = -1;
    int32_t number = 0;
  };
  std::vector<End> ends(text.size() + 1);
  const auto propose = [&](size_t begin, size_t end, int32_t number, double sum) {
    if (ends[end].begin >= 0 && !(sum > ends[end].score)) return;
    ends[end] = {static_cast<float>(sum), static_cast<int>(begin), number};
  };
  for (size_t at = 0; at < text.size(); at += PlainCharacter(text, at)) {
    const size_t character = PlainCharacter(text, at);
    const float before = ends[at].score;
    bool known = false;
    for (size_t bytes = 1; bytes <= std::min<size_t>(20, text.size() - at); ++bytes) {
      const int32_t number = PlainNumber(v, std::string_view(text).substr(at, bytes));
      if (number < 0) continue;
      const bool defined = v.parts.pieces[number].kind == PieceKind::kUserDefined;
      const float bonus = bytes * most;
      const double score = defined ? bonus - 0.1 : v.parts.pieces[number].score;
      propose(at, at + bytes, number, score + before);
      known |= bytes == character;
    }
    if (known) continue;
    const float sum = least - 10.0f + before;
    propose(at, at + character, 0, sum);
  }
  Path path;
  for (int end = text.size(); end > 0; end = ends[end].begin) {
    path.push_back({ends[end].number, text.substr(ends[end].begin, end - ends[end].begin)});
  }
  std::reverse(path.begin(), path.end());
  return path;
}

Path PlainMerge(const Vocabulary& v, const std::string& text) {
  std::vector<std::string> parts;
  std::vector<bool> stays;
  for (size_t at = 0; at < text.size(); at += parts.back().size()) {
    std::string part;
    for (size_t i = 0; i < v.texts.size(); ++i) {
      if (v.parts.pieces[i].kind == PieceKind::kUserDefined && v.texts[i].size() > part.size() &&
          text.compare(at, v.texts[i].size(), v.texts[i]) == 0) {
        part = v.texts[i];
      }
    }
    stays.push_back(!part.empty());
    parts.push_back(stays.back() ? part : text.substr(at, PlainCharacter(text, at)));
  }
  for (;;) {
    int best = -1;
    float score = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const int32_t number = PlainNumber(v, parts[i] + parts[i + 1]);
      if (stays[i] || stays[i + 1] || number < 0) continue;
      if (best < 0 || v.parts.pieces[number].score > score) {
        best = i, score = v.parts.pieces[number].score;
      }
    }
    if (best < 0) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + best + 1);
    stays.erase(stays.begin() + best + 1);
  }
  Path path;
  for (const std::string& part : parts) path.push_back({std::max(0, PlainNumber(v, part)), part});
  return path;
}

std::vector<Token> PlainEncode(const Vocabulary& v, const std::string& text) {
  const auto [normalized, origins] = PlainNormalize(v, text);
  const bool merges = v.parts.algorithm == PieceAlgorithm::kBytePair;
  std::vector<Token> tokens;
  size_t at = 0;
  for (const auto& [number, piece] : (merges ? PlainMerge : PlainUnigram)(v, normalized)) {
    const int64_t start = origins[at], end = origins[at += piece.size()];
    if (number == 0 && v.parts.byte_fallback) {
      for (unsigned char byte : piece) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", byte);
        const auto found = std::find(v.texts.begin(), v.texts.end(), name);
        tokens.push_back({static_cast<int32_t>(found - v.texts.begin()), name, start, start});
      }
      tokens.back().end = end;
    } else if (number == 0 && !tokens.empty() && tokens.back().number == 0) {
      tokens.back().text += piece;
      tokens.back().end = end;
    } else {
      tokens.push_back({number, piece, start, end});
    }
  }
  return tokens;
}

// ---- The tests ----

std::vector<Token> AsTokens(const SentencePieceModel& model, const SentencePieceTokens& tokens,
                            size_t first = 0) {
  std::vector<Token> all;
  size_t begin = 0, unknown = 0;
  for (size_t i = 0; i < tokens.numbers.size(); ++i) {
    std::string text(model.Text(tokens.numbers[i]));
    if (tokens.numbers[i] == model.vocabulary().unknown) {
      const size_t end = tokens.unknown_ends[unknown++];
      text = tokens.unknown.substr(begin, end - begin);
      begin = end;
    }
    all.push_back({tokens.numbers[i], text, tokens.starts[i], tokens.ends[i]});
  }
  all.erase(all.begin(), all.begin() + first);
  return all;
}

void Check(const Vocabulary& v, SentencePieceEncoder& encoder, const std::string& text) {
  SentencePieceTokens tokens, numbers;
  encoder.Encode(v.model, text, {true, true, 0}, &tokens);
  encoder.Encode(v.model, text, {}, &numbers);
  if (numbers.numbers != tokens.numbers) Fail("\"%s\" is cut otherwise without places", text.c_str());
  if (!(AsTokens(v.model, tokens) == PlainEncode(v, text))) {
    Fail("\"%.200s\" is cut otherwise", text.c_str());
  }
}

int TestTrie() {
  Random random(1);
  int cases = 0;
  for (int i = 0; i < 20; ++i) {
    std::set<std::string> strings;
    for (int64_t n = 1 + random.Below(3000); n > 0; --n) {
      std::string string;
      for (int64_t bytes = 1 + random.Below(6); bytes > 0; --bytes) {
        string += static_cast<char>(i % 2 == 0 ? random.Below(256) : 'a' + random.Below(3));
      }
      strings.insert(string);
    }
    std::vector<std::pair<std::string_view, int32_t>> values;
    for (const auto& string : strings) values.emplace_back(string, values.size());
    std::vector<TrieCell> cells;
    if (Problem problem = BuildTrie(values, &cells)) Fail("%s", problem);
    const PieceTrie trie(cells.data());
    for (const auto& [string, value] : values) {
      uint32_t node = PieceTrie::kRoot;
      for (char byte : string) {
        if (!trie.Step(byte, &node)) Fail("a string is lost");
      }
      if (trie.Value(node) != value) Fail("a string has another's value");
      // One byte more or another last one.
      const std::string longer = std::string(string) + char('a' + random.Below(4));
      std::string other(string);
      other.back() = random.Below(256);
      for (const std::string& text : {longer, other}) {
        size_t wanted = text.size();
        while (wanted > 0 && strings.count(text.substr(0, wanted)) == 0) --wanted;
        if (trie.LongestPrefix(text) != wanted) Fail("another prefix is the longest");
        ++cases;
      }
    }
  }
  return cases;
}

int TestTexts(bool merges, bool across_words) {
  Random random(2 + merges + 2 * across_words);
  int cases = 0;
  SentencePieceEncoder encoder;  // one for all: it must forget the last model's words
  for (int i = 0; i < 60; ++i) {
    Vocabulary v = MakeVocabulary(random, merges, across_words);
    v.parts.space_is_behind = across_words && i % 3 == 0;
    if (Problem problem = v.Make()) Fail("%s", problem);
    for (int j = 0; j < 40; ++j, ++cases) Check(v, encoder, MakeText(random, j % 10 == 0 ? 90 : 14));
    encoder.Forget();
  }
  return cases;
}

int TestLongTexts() {
  // Sums of some thousands, whose neighbours among floats lie as far from one another as the
  // sums of two paths often do.
  Random random(5);
  int cases = 0, near = 0;
  SentencePieceEncoder encoder;
  for (int i = 0; i < 20; ++i, ++cases) {
    Vocabulary v = MakeVocabulary(random, false, false);
    if (Problem problem = v.Make()) Fail("%s", problem);
    std::string text;
    while (text.size() < 6000) text += MakeText(random, 9) + " ";
    Check(v, encoder, text);
    // Words alone are cut otherwise than behind others, here and there.
    std::vector<int32_t> alone;
    const std::string normalized = PlainNormalize(v, text).first;
    for (size_t at = 0, end; at < normalized.size(); at = end) {
      end = std::min(normalized.find(kSpace, at + 1), normalized.size());
      for (const auto& piece : PlainUnigram(v, normalized.substr(at, end - at))) {
        alone.push_back(piece.first);
      }
    }
    std::vector<int32_t> together;
    for (const auto& piece : PlainUnigram(v, normalized)) together.push_back(piece.first);
    near += alone != together;
  }
  if (near == 0) Fail("no sum was near enough to another to matter");
  return cases;
}

int TestBatches() {
  Random random(6);
  int cases = 0;
  for (int i = 0; i < 20; ++i, ++cases) {
    Vocabulary v = MakeVocabulary(random, i % 2 == 0, false);
    if (Problem problem = v.Make()) Fail("%s", problem);
    std::vector<std::string> texts;
    for (int64_t n = random.Below(30); n > 0; --n) {
      texts.push_back(MakeText(random, random.Chance(0.1) ? 9000 : 20));
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    SentencePieceEncoders encoders;
    SentencePieceEncoder encoder;
    for (int64_t most : {0, 3}) {
      Threads workers(most == 0 ? 4 : 1);
      std::vector<int64_t> row_splits(texts.size() + 1, -7);
      const auto parts =
          encoders.Encode(v.model, views, {false, false, most}, workers, row_splits.data());
      std::vector<int32_t> all;
      for (const auto& part : parts) {
        all.insert(all.end(), part.numbers.begin(), part.numbers.end());
      }
      if (row_splits.back() != static_cast<int64_t>(all.size())) Fail("rows miss tokens");
      for (size_t t = 0; t < texts.size(); ++t) {
        SentencePieceTokens wanted;
        encoder.Encode(v.model, texts[t], {}, &wanted);
        const int64_t size = row_splits[t + 1] - row_splits[t], length = wanted.numbers.size();
        const int64_t least = most == 0 ? length : std::min(length, most);
        if (size < least || size > length ||
            !std::equal(all.begin() + row_splits[t], all.begin() + row_splits[t + 1],
                        wanted.numbers.begin())) {
          Fail("a row has other tokens than its text");
        }
      }
    }
  }
  return cases;
}

std::string Field(int number, const std::string& text) {
  std::string field = {char(number % 16 << 3 | 2)};
  if (number >= 16) field = {char(0x80 | (number << 3 & 0x7f) | 2), char(number >> 4)};
  size_t size = text.size();
  for (; size >= 128; size >>= 7) field += char(0x80 | (size & 127));
  return field + char(size) + text;
}

std::string Number(int number, int value) {
  const int tag = number << 3;
  if (tag < 128) return {char(tag), char(value)};
  return {char(0x80 | (tag & 127)), char(tag >> 7), char(value)};
}

std::string Score(float value) {
  std::string field = {2 << 3 | 5};
  return field.append(reinterpret_cast<const char*>(&value), sizeof value);
}

int TestFiles() {
  const std::string file =
      Field(1, Field(1, "<unk>") + Score(0) + Number(3, 2)) + Field(1, Field(1, "a") + Score(-1.5)) +
      Field(2, Number(3, 2) + Number(24, 1) + Number(35, 1)) +
      Field(3, Field(2, std::string(300, 'x')) + Number(3, 0) + Number(4, 0) + Number(5, 0));
  SentencePieceParts parts;
  if (Problem problem = ReadSentencePieceProto(file, &parts)) Fail("%s", problem);
  const bool right = parts.pieces.size() == 2 && parts.pieces[0].kind == PieceKind::kUnknown &&
                     parts.pieces[1].text == "a" && parts.pieces[1].score == -1.5f &&
                     parts.pieces[1].kind == PieceKind::kNormal && parts.space_is_behind &&
                     parts.byte_fallback && parts.algorithm == PieceAlgorithm::kBytePair &&
                     parts.character_map == std::string(300, 'x') && !parts.adds_space &&
                     !parts.joins_spaces && !parts.escapes_spaces;
  if (!right) Fail("a file is read otherwise");
  // What follows counts, and leaves the rest.
  if (ReadSentencePieceProto(Field(3, Number(3, 1)), &parts) || !parts.adds_space ||
      parts.joins_spaces) {
    Fail("a later field does not count");
  }
  int cases = 2;
  for (size_t size = 0; size < file.size(); ++size, ++cases) {
    SentencePieceParts part;  // whatever it says, nothing behind it is read
    ReadSentencePieceProto(std::string(file.data(), size), &part);
  }
  Random random(7);
  for (; cases < 3000; ++cases) {
    std::string damaged = file;
    for (int i = 0; i < 3; ++i) damaged[random.Below(damaged.size())] = random.Below(256);
    SentencePieceParts part;
    std::string model;
    if (ReadSentencePieceProto(damaged, &part) == nullptr) MakeSentencePieceModel(part, &model);
  }
  return cases;
}

int TestMapsThatAreBroken() {
  // Nothing outside of them is read, whatever is in them.
  Random random(8);
  int cases = 0;
  for (; cases < 300; ++cases) {
    Vocabulary v = MakeVocabulary(random, false, false);
    v.map = {{"A", "a"}, {"\xef\xac\x81", "ab"}, {"\xc2\xad", ""}, {"bb", "c"}};
    v.Make();
    std::string file = v.map_file;
    for (int i = 0; i < 200; ++i) file[4 + random.Below(file.size() - 4)] = random.Below(256);
    v.parts.character_map = file;
    std::string block;
    if (MakeSentencePieceModel(v.parts, &block) != nullptr) continue;
    SentencePieceModel model;
    if (Problem problem = model.Read(block.data(), block.size())) Fail("%s", problem);
    SentencePieceEncoder encoder;
    SentencePieceTokens tokens;
    for (int i = 0; i < 9; ++i) encoder.Encode(model, MakeText(random, 30), {}, &tokens);
  }
  return cases;
}

int TestRefusals() {
  Random random(9);
  int cases = 0;
  const auto refused = [&](const char* what, bool merges, auto change) {
    Vocabulary v = MakeVocabulary(random, merges, false);
    v.map.clear();
    change(v);
    if (v.Make() == nullptr) Fail("a model is taken: %s", what);
    ++cases;
  };
  refused("of words", false, [](Vocabulary& v) { v.parts.algorithm = PieceAlgorithm::kWord; });
  refused("a score", false, [](Vocabulary& v) { v.parts.pieces[4].score = NAN; });
  refused("nothing unknown", false,
          [](Vocabulary& v) { v.parts.pieces[0].kind = PieceKind::kControl; });
  refused("unused pairs", true, [](Vocabulary& v) { v.Add("zz", 0, PieceKind::kUnused); });
  refused("a control character", true, [](Vocabulary& v) { v.Add("z", 0, PieceKind::kControl); });
  refused("no bytes", false, [](Vocabulary& v) {
    v.parts.byte_fallback = true;
    v.texts.resize(5), v.parts.pieces.resize(5);
  });
  refused("an empty piece", false, [](Vocabulary& v) { v.Add("", 0); });
  refused("a piece that comes twice", false, [](Vocabulary& v) {
    v.Add("xy", 0);
    v.texts.push_back("xy"), v.parts.pieces.push_back({});
  });
  Vocabulary v = MakeVocabulary(random, false, false);
  v.Make();
  for (size_t size : {size_t{0}, size_t{8}, v.block.size() / 2, v.block.size() - 1}) {
    SentencePieceModel model;
    if (model.Read(v.block.data(), size) == nullptr) Fail("half a model is taken");
    ++cases;
  }
  return cases;
}

}  // namespace
}  // namespace knl

int main() {
  using namespace knl;
  Group("tries hold strings", TestTrie);
  Group("the largest sum, word by word", [] { return TestTexts(false, false); });
  Group("the largest sum, across words", [] { return TestTexts(false, true); });
  Group("merges, word by word", [] { return TestTexts(true, false); });
  Group("merges, across words", [] { return TestTexts(true, true); });
  Group("long texts round as one sum does", TestLongTexts);
  Group("batches have each text's tokens", TestBatches);
  Group("files are read", TestFiles);
  Group("broken maps are survived", TestMapsThatAreBroken);
  Group("what is not encoded is refused", TestRefusals);
  return failures > 0;
}
