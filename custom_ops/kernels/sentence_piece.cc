#include "sentence_piece.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "blocks.h"
#include "hashing.h"
#include "text_parts.h"

namespace knl {
namespace {

constexpr uint64_t kMagic = 0x31434550544e4e4b;  // "KNNTPEC1"
constexpr std::string_view kSpace = "\xe2\x96\x81";

// Whether a piece has a space behind another character.
bool HasInnerSpace(std::string_view piece) {
  while (piece.substr(0, kSpace.size()) == kSpace) piece.remove_prefix(kSpace.size());
  return piece.find(kSpace) != std::string_view::npos;
}

}  // namespace

// ---- The model ----

// What follows, in this order: scores [pieces], text_starts [pieces + 1], cells, whole_cells,
// of_byte [256], map units [an even number], ascii [128], kinds [pieces], map texts, texts.
struct SentencePieceModel::Header {
  uint64_t magic, fingerprint, bytes, num_pieces, num_cells, num_whole_cells, num_map_units,
      map_bytes, text_bytes;
  double unknown_score;
  int32_t unknown;
  bool merges, byte_fallback, ends_words;
  bool adds_space, space_is_behind, joins_spaces, escapes_spaces;
  bool unused[5];
};

Problem SentencePieceModel::Read(const void* data, size_t size) {
  constexpr uint64_t kMost = uint64_t{1} << 40;
  header_ = static_cast<const Header*>(data);
  const bool begins_well =
      size >= sizeof(Header) && header_->magic == kMagic && header_->bytes == size &&
      header_->num_pieces < kMost && header_->num_cells < kMost &&
      header_->num_whole_cells < kMost && header_->num_map_units < kMost &&
      header_->map_bytes < kMost && header_->text_bytes < kMost;
  if (!begins_well) return Say("This is no model of SentencePiece, or not all of one.");
  const Header& h = *header_;
  BlockReader block(data, sizeof(Header));
  const TrieCell *cells, *whole_cells;
  block.Next(&vocabulary_.scores, h.num_pieces);
  block.Next(&text_starts_, h.num_pieces + 1);
  block.Next(&cells, h.num_cells);
  block.Next(&whole_cells, h.num_whole_cells);
  block.Next(&of_byte_, 256);
  block.Next(&normalizer_.map.units, h.num_map_units);
  block.Next(&normalizer_.ascii, 128);
  block.Next(&kinds_, h.num_pieces);
  block.Next(&normalizer_.map.texts, h.map_bytes);
  block.Next(&texts_, h.text_bytes);
  if (block.size() != size) {
    return Say("A model of SentencePiece has %zu bytes and not those that it should.", size);
  }
  vocabulary_.pieces = PieceTrie(cells);
  vocabulary_.whole = PieceTrie(h.num_whole_cells > 0 ? whole_cells : nullptr);
  vocabulary_.unknown_score = h.unknown_score;
  vocabulary_.unknown = h.unknown;
  normalizer_.map.num_units = h.num_map_units;
  normalizer_.map.text_bytes = h.map_bytes;
  normalizer_.whole = vocabulary_.whole;
  normalizer_.adds_space = h.adds_space;
  normalizer_.space_is_behind = h.space_is_behind;
  normalizer_.joins_spaces = h.joins_spaces;
  normalizer_.escapes_spaces = h.escapes_spaces;
  return nullptr;
}

uint64_t SentencePieceModel::fingerprint() const { return header_->fingerprint; }
int64_t SentencePieceModel::size() const { return header_->num_pieces; }
bool SentencePieceModel::merges() const { return header_->merges; }
bool SentencePieceModel::byte_fallback() const { return header_->byte_fallback; }
bool SentencePieceModel::ends_words() const { return header_->ends_words; }

std::string_view SentencePieceModel::Text(int32_t number) const {
  if (number < 0 || number >= size()) return {};
  return {texts_ + text_starts_[number], text_starts_[number + 1] - text_starts_[number]};
}

namespace {

// Cuts the map of characters into its trie and its texts.
Problem ReadMap(std::string_view file, std::vector<uint32_t>* units, std::string* texts) {
  if (file.empty()) return nullptr;
  uint32_t bytes = 0;
  if (file.size() > sizeof bytes) std::memcpy(&bytes, file.data(), sizeof bytes);
  if (file.size() <= sizeof bytes || bytes == 0 || bytes % sizeof(uint32_t) != 0 ||
      bytes >= file.size()) {
    return Say("The model's map of characters is broken.");
  }
  file.remove_prefix(sizeof bytes);
  units->resize(bytes / sizeof(uint32_t));
  std::memcpy(units->data(), file.data(), bytes);
  if (units->size() % 2 != 0) units->push_back(0);
  *texts = file.substr(bytes);
  texts->push_back('\0');
  return nullptr;
}

using Strings = std::vector<std::pair<std::string_view, int32_t>>;

// The pieces that encoding can give, and those of them that users defined.
Problem CollectPieces(const SentencePieceParts& parts, Strings* pieces, Strings* whole) {
  const bool merges = parts.algorithm == PieceAlgorithm::kBytePair;
  for (size_t i = 0; i < parts.pieces.size(); ++i) {
    const Piece& piece = parts.pieces[i];
    if (!std::isfinite(piece.score)) return Say("The score of piece %zu is no number.", i);
    if (piece.kind == PieceKind::kUnused && merges) {
      return Say("Byte pairs with pieces that are not used are not encoded here.");
    }
    if (piece.kind == PieceKind::kUserDefined) whole->emplace_back(piece.text, i);
    if (piece.kind == PieceKind::kNormal || piece.kind == PieceKind::kUserDefined) {
      pieces->emplace_back(piece.text, i);
    }
  }
  std::sort(pieces->begin(), pieces->end());
  std::sort(whole->begin(), whole->end());
  if (!merges) return nullptr;
  // What merging gives is looked up among all pieces, those without text first.
  for (const Piece& piece : parts.pieces) {
    if (piece.kind == PieceKind::kNormal || piece.kind == PieceKind::kUserDefined) continue;
    const auto found = std::lower_bound(pieces->begin(), pieces->end(),
                                        std::make_pair(piece.text, int32_t{0}));
    const bool known = found != pieces->end() && found->first == piece.text;
    const bool character = !piece.text.empty() && CharacterBytes(piece.text) == piece.text.size();
    if (known || (character && piece.kind != PieceKind::kUnknown)) {
      return Say("Byte pairs with a special piece that is also text are not encoded here.");
    }
  }
  return nullptr;
}

// The number of each byte's piece, or -1.
void FindBytes(const SentencePieceParts& parts, int32_t* of_byte) {
  std::fill(of_byte, of_byte + 256, -1);
  for (size_t i = 0; i < parts.pieces.size(); ++i) {
    unsigned byte;
    const std::string text(parts.pieces[i].text);
    const bool is_byte = parts.pieces[i].kind == PieceKind::kByte &&
                         std::sscanf(text.c_str(), "<0x%2X>", &byte) == 1 && byte < 256;
    if (is_byte) of_byte[byte] = i;
  }
}

}  // namespace

Problem MakeSentencePieceModel(const SentencePieceParts& parts, std::string* model) {
  SentencePieceModel::Header header = {};
  header.magic = kMagic;
  header.merges = parts.algorithm == PieceAlgorithm::kBytePair;
  if (!header.merges && parts.algorithm != PieceAlgorithm::kUnigram) {
    return Say("Models of words and of characters are not encoded here.");
  }
  Strings pieces, whole;
  if (Problem problem = CollectPieces(parts, &pieces, &whole)) return problem;
  if (pieces.empty()) return Say("The model has no pieces.");
  std::vector<TrieCell> cells, whole_cells;
  if (Problem problem = BuildTrie(pieces, &cells)) return problem;
  if (!whole.empty()) {
    if (Problem problem = BuildTrie(whole, &whole_cells)) return problem;
  }
  std::vector<uint32_t> map_units;
  std::string map_texts;
  if (Problem problem = ReadMap(parts.character_map, &map_units, &map_texts)) return problem;

  float least = FLT_MAX, most = FLT_MIN;  // as SentencePiece has it: `most` is above 0
  header.unknown = -1;
  for (size_t i = 0; i < parts.pieces.size(); ++i) {
    const Piece& piece = parts.pieces[i];
    if (piece.kind == PieceKind::kUnknown) header.unknown = i;
    if (piece.kind != PieceKind::kNormal) continue;
    least = std::min(least, piece.score);
    most = std::max(most, piece.score);
  }
  if (header.unknown < 0) return Say("The model has no piece for what is unknown.");
  constexpr float kPenalty = 10;
  header.unknown_score = least - kPenalty;
  std::vector<double> scores;
  std::vector<PieceKind> kinds;
  std::vector<uint64_t> text_starts = {0};
  for (const Piece& piece : parts.pieces) {
    const bool bonus = piece.kind == PieceKind::kUserDefined && !header.merges;
    const float per_byte = piece.text.size() * most;
    scores.push_back(bonus ? per_byte - 0.1 : piece.score);
    kinds.push_back(piece.kind);
    text_starts.push_back(text_starts.back() + piece.text.size());
  }
  int32_t of_byte[256];
  FindBytes(parts, of_byte);
  if (parts.byte_fallback && *std::min_element(of_byte, of_byte + 256) < 0) {
    return Say("The model lacks a piece for some byte.");
  }
  header.byte_fallback = parts.byte_fallback;
  header.ends_words =
      parts.escapes_spaces && std::none_of(pieces.begin(), pieces.end(), [](const auto& piece) {
        return HasInnerSpace(piece.first);
      });
  header.adds_space = parts.adds_space;
  header.space_is_behind = parts.space_is_behind;
  header.joins_spaces = parts.joins_spaces;
  header.escapes_spaces = parts.escapes_spaces;
  SentencePieceNormalizer normalizer;
  normalizer.map = {map_units.data(), map_units.size(), map_texts.data(), map_texts.size()};
  normalizer.whole = PieceTrie(whole_cells.empty() ? nullptr : whole_cells.data());
  uint8_t ascii[128];
  FillAscii(normalizer, ascii);

  header.num_pieces = parts.pieces.size();
  header.num_cells = cells.size();
  header.num_whole_cells = whole_cells.size();
  header.num_map_units = map_units.size();
  header.map_bytes = map_texts.size();
  header.text_bytes = text_starts.back();
  model->assign(reinterpret_cast<const char*>(&header), sizeof header);
  AppendArray(scores.data(), scores.size(), model);
  AppendArray(text_starts.data(), text_starts.size(), model);
  AppendArray(cells.data(), cells.size(), model);
  AppendArray(whole_cells.data(), whole_cells.size(), model);
  AppendArray(of_byte, 256, model);
  AppendArray(map_units.data(), map_units.size(), model);
  AppendArray(ascii, 128, model);
  AppendArray(kinds.data(), kinds.size(), model);
  model->append(map_texts);
  for (const Piece& piece : parts.pieces) model->append(piece.text);
  header.bytes = model->size();
  header.fingerprint = Hash(model->data(), model->size());
  std::memcpy(&(*model)[0], &header, sizeof header);
  return nullptr;
}

// ---- Encoding ----

namespace {

constexpr size_t kCached = 1 << 14;  // words; 1 MiB

}  // namespace

// A word and its pieces; a line of the processor's cache. What is unknown, or defined by users,
// is no part of any.
struct alignas(64) SentencePieceEncoder::Word {
  static constexpr size_t kKeys = 3, kMostBytes = kKeys * sizeof(uint64_t), kMostPieces = 4;
  uint64_t text[kKeys] = {};  // zeros behind the word
  int32_t numbers[kMostPieces] = {};
  float scores[kMostPieces] = {};
  float limit = -1;  // the pieces are these where the sum before is between -limit and limit
  uint8_t bytes = 0, count = 0;

  // A word without pieces; behind it may be read.
  static Word Of(std::string_view word) {
    Word key;
    key.bytes = word.size();
    std::memcpy(key.text, word.data(), sizeof key.text);
    for (size_t i = 0; i < kKeys; ++i) {
      // The first bytes are the lowest.
      const size_t bits = 8 * (std::clamp(word.size(), 8 * i, 8 * i + 8) - 8 * i);
      key.text[i] &= bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    }
    return key;
  }
  size_t Place() const { return Mix(Mix(Mix(text[0]) ^ text[1]) ^ text[2]) % kCached; }
  bool IsOf(const Word& key) const {
    return bytes == key.bytes && text[0] == key.text[0] && text[1] == key.text[1] &&
           text[2] == key.text[2];
  }
};

namespace {

// Where a word ends: at the first space behind another character.
const char* WordEnd(const char* at, const char* end) {
  const auto is_space = [end](const char* at) {
    return end - at >= 3 && std::memcmp(at, kSpace.data(), 3) == 0;
  };
  while (is_space(at)) at += kSpace.size();
  while (at < end && !(*at == kSpace[0] && is_space(at))) ++at;
  return at;
}

}  // namespace

SentencePieceEncoder::SentencePieceEncoder() : cache_(new Word[kCached]) {}
SentencePieceEncoder::~SentencePieceEncoder() = default;

void SentencePieceEncoder::Forget() {
  constexpr size_t kMost = 1 << 18;
  if (normalized_.bytes.capacity() > kMost) std::vector<char>().swap(normalized_.bytes);
  if (normalized_.origins.capacity() > kMost) std::vector<int64_t>().swap(normalized_.origins);
  if (path_.capacity() > kMost) std::vector<PathPiece>().swap(path_);
  unigram_.Forget();
  merges_.Forget();
}

void SentencePieceEncoder::Encode(const SentencePieceModel& model, std::string_view text,
                                  const SentencePieceOptions& options,
                                  SentencePieceTokens* tokens) {
  if (model.fingerprint() != fingerprint_) {
    std::fill(cache_.get(), cache_.get() + kCached, Word());
    fingerprint_ = model.fingerprint();
  }
  model_ = &model;
  options_ = &options;
  tokens_ = tokens;
  model.normalizer().Normalize(text, options.places, &normalized_);
  at_ = 0;
  score_ = 0;
  after_unknown_ = false;
  // A token has a byte at least, and is written with up to three that do not count.
  const size_t before = tokens->numbers.size();
  tokens->numbers.resize(before + normalized_.size + Word::kMostPieces);
  next_ = tokens->numbers.data() + before;
  const size_t all = normalized_.size + 1;
  const int32_t* enough = next_ + (options.most > 0 ? std::min<size_t>(options.most, all) : all);
  const char* const begin = normalized_.bytes.data();
  const char* const end = begin + normalized_.size;
  for (const char* at = begin; at < end && next_ < enough;) {
    const char* word_end = model.ends_words() ? WordEnd(at, end) : end;
    EncodeWord({at, static_cast<size_t>(word_end - at)});
    at = word_end;
  }
  tokens->numbers.resize(next_ - tokens->numbers.data());
}

// `kBehind` bytes behind the word may be read.
void SentencePieceEncoder::EncodeWord(std::string_view word) {
  if (word.size() <= Word::kMostBytes) {
    const Word key = Word::Of(word);
    Word& known = cache_[key.Place()];
    if (!known.IsOf(key)) {
      known = key;
      Learn(word, &known);
    }
    if (std::fabs(score_) <= known.limit) {
      std::memcpy(next_, known.numbers, sizeof known.numbers);
      next_ += known.count;
      after_unknown_ = false;
      for (int i = 0; i < known.count; ++i) score_ += known.scores[i];
      for (int i = 0; options_->places && i < known.count; ++i) {
        Place(model_->Text(known.numbers[i]).size());
      }
      return;
    }
  }
  FindPath(word);
  size_t at = 0;
  for (const PathPiece& piece : path_) {
    Add(word.substr(at, piece.bytes), piece.number);
    at += piece.bytes;
  }
}

void SentencePieceEncoder::FindPath(std::string_view text) {
  if (model_->merges()) {
    merges_.Find(model_->vocabulary(), text, &path_);
  } else {
    unigram_.Find(model_->vocabulary(), text, &score_, &path_);
  }
}

void SentencePieceEncoder::Learn(std::string_view word, Word* known) {
  const PieceVocabulary& vocabulary = model_->vocabulary();
  float limit = std::numeric_limits<float>::infinity();
  if (model_->merges()) {
    merges_.Find(vocabulary, word, &path_);
  } else {
    limit = unigram_.FindExact(vocabulary, word, &path_);
  }
  const bool fits = path_.size() <= Word::kMostPieces &&
                    std::all_of(path_.begin(), path_.end(), [&](const PathPiece& piece) {
                      return model_->IsNormal(piece.number);
                    });
  if (!fits) return;
  for (const PathPiece& piece : path_) {
    known->numbers[known->count] = piece.number;
    known->scores[known->count++] = vocabulary.scores[piece.number];
  }
  known->limit = limit;
}

// Writes the tokens of a piece, or of what is none.
void SentencePieceEncoder::Add(std::string_view text, int32_t number) {
  const bool unknown = number == model_->vocabulary().unknown;
  if (unknown && model_->byte_fallback()) {
    for (size_t i = 0; i < text.size(); ++i) {
      *next_++ = model_->OfByte(text[i]);
      if (options_->places) Place(i + 1 < text.size() ? 0 : text.size());
    }
    return;
  }
  const bool goes_on = unknown && after_unknown_;
  after_unknown_ = unknown;
  if (!goes_on) *next_++ = number;
  if (options_->places) {
    Place(text.size());
    if (goes_on) {
      tokens_->starts.pop_back();
      tokens_->ends.erase(tokens_->ends.end() - 2);
    }
  }
  if (options_->texts && unknown) {
    tokens_->unknown.append(text);
    if (goes_on) tokens_->unknown_ends.pop_back();
    tokens_->unknown_ends.push_back(tokens_->unknown.size());
  }
}

// Of the next token, which has so many bytes of the normalized text.
void SentencePieceEncoder::Place(size_t bytes) {
  tokens_->starts.push_back(normalized_.origins[at_]);
  tokens_->ends.push_back(normalized_.origins[at_ += bytes]);
}

// ---- Batches ----

std::vector<SentencePieceTokens> SentencePieceEncoders::Encode(
    const SentencePieceModel& model, const std::vector<std::string_view>& texts,
    const SentencePieceOptions& options, Workers& workers, int64_t* row_splits) {
  return InParts<SentencePieceTokens>(
      texts.size(), [&](size_t i) { return texts[i].size(); }, workers, row_splits, [&] {
        const auto put_back = [this](SentencePieceEncoder* encoder) {
          PutBack(std::unique_ptr<SentencePieceEncoder>(encoder));
        };
        std::shared_ptr<SentencePieceEncoder> encoder(Take().release(), put_back);
        return [&, encoder](size_t i, SentencePieceTokens* tokens) {
          encoder->Encode(model, texts[i], options, tokens);
          return tokens->numbers.size();
        };
      });
}

std::unique_ptr<SentencePieceEncoder> SentencePieceEncoders::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (idle_.empty()) return std::make_unique<SentencePieceEncoder>();
  std::unique_ptr<SentencePieceEncoder> encoder = std::move(idle_.back());
  idle_.pop_back();
  return encoder;
}

void SentencePieceEncoders::PutBack(std::unique_ptr<SentencePieceEncoder> encoder) {
  encoder->Forget();
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(encoder));
}

}  // namespace knl
