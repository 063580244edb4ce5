#include "byte_pair.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "blocks.h"
#include "hashing.h"
#include "text_parts.h"

namespace knl {
namespace {

constexpr uint64_t kMagic = 0x3252494150424e4b;  // "KNBPAIR2"
constexpr uint64_t kNoPair = ~uint64_t{0};

uint64_t PairOf(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

// ---- The model ----

// What follows, in this order: merges [slots], of_byte [256], whole [W], whole_starts [257],
// words [word_slots], ids [V], text_starts [V + 1], texts. All but the texts are of multiples of 8 bytes.
struct BytePairModel::Header {
  uint64_t magic, fingerprint, bytes, slots, num_whole, word_slots, num_tokens, text_bytes;
};

Problem BytePairModel::Read(const void* data, size_t size) {
  constexpr uint64_t kMost = uint64_t{1} << 40;
  header_ = static_cast<const Header*>(data);
  const bool begins_well = size >= sizeof(Header) && header_->magic == kMagic &&
                           header_->bytes == size && IsSlots(header_->slots) &&
                           header_->num_whole < kMost && IsSlots(header_->word_slots) &&
                           header_->num_tokens < kMost && header_->text_bytes < kMost;
  if (!begins_well) return Say("This is no model of byte pairs, or not all of one.");
  BlockReader block(data, sizeof(Header));
  block.Next(&merges_, header_->slots);
  block.Next(&of_byte_, 256);
  block.Next(&whole_, header_->num_whole);
  block.Next(&whole_starts_, 257);
  block.Next(&words_, header_->word_slots);
  block.Next(&ids_, header_->num_tokens);
  block.Next(&text_starts_, header_->num_tokens + 1);
  block.Next(&texts_, header_->text_bytes);
  if (block.size() != size) {
    return Say("A model of byte pairs has %zu bytes and not those that it should.", size);
  }
  return nullptr;
}

Problem MakeBytePairModel(const BytePairParts& parts, std::string* model) {
  const int64_t num_tokens = parts.texts.size();
  const auto known = [&](int64_t number) { return number >= 0 && number < num_tokens; };
  using Merge = BytePairModel::Merge;
  const size_t slots = SlotsFor(parts.num_merges);
  std::vector<Merge> merges(slots, {kNoPair, 0, 0});
  for (int64_t rank = 0; rank < parts.num_merges; ++rank) {
    const int32_t* merge = parts.merges + 3 * rank;
    if (!known(merge[0]) || !known(merge[1]) || !known(merge[2])) {
      return Say("Merge %lld is of tokens that the vocabulary does not have.",
                 static_cast<long long>(rank));
    }
    const uint64_t pair = PairOf(merge[0], merge[1]);
    size_t slot = Mix(pair) & (slots - 1);
    while (merges[slot].pair != kNoPair && merges[slot].pair != pair) {
      slot = (slot + 1) & (slots - 1);
    }
    merges[slot] = {pair, static_cast<uint32_t>(rank), merge[2]};
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (!known(parts.of_byte[byte]) && parts.of_byte[byte] != num_tokens + byte) {
      return Say("Byte %d is token %d, which is not there.", byte, parts.of_byte[byte]);
    }
  }
  std::vector<BytePairModel::WholeToken> whole;
  const auto first_byte = [&](int32_t number) {
    return static_cast<unsigned char>(parts.texts[number][0]);
  };
  uint64_t whole_starts[257] = {};
  for (int64_t i = 0; i < parts.num_whole; ++i) {
    if (!known(parts.whole[i]) || parts.texts[parts.whole[i]].empty()) {
      return Say("Token %d cannot stay whole: it is not there, or empty.", parts.whole[i]);
    }
    whole.push_back({parts.whole[i], parts.takes_space[i]});
    ++whole_starts[first_byte(parts.whole[i]) + 1];
  }
  for (int byte = 0; byte < 256; ++byte) whole_starts[byte + 1] += whole_starts[byte];
  std::stable_sort(whole.begin(), whole.end(), [&](const auto& a, const auto& b) {
    const int a_first = first_byte(a.number), b_first = first_byte(b.number);
    if (a_first != b_first) return a_first < b_first;
    return parts.texts[a.number].size() > parts.texts[b.number].size();
  });
  const size_t word_slots = SlotsFor(parts.num_words);
  std::vector<int64_t> words(word_slots, -1);
  for (int64_t i = 0; i < parts.num_words; ++i) {
    if (!known(parts.words[i])) return Say("Token %d is not there.", parts.words[i]);
    const std::string_view text = parts.texts[parts.words[i]];
    size_t slot = Hash(text.data(), text.size()) & (word_slots - 1);
    while (words[slot] >= 0 && parts.texts[words[slot]] != text) {
      slot = (slot + 1) & (word_slots - 1);
    }
    words[slot] = parts.words[i];
  }
  std::vector<uint64_t> text_starts = {0};
  for (std::string_view text : parts.texts) {
    text_starts.push_back(text_starts.back() + text.size());
  }

  BytePairModel::Header header = {};
  header.magic = kMagic;
  header.slots = slots;
  header.num_whole = whole.size();
  header.word_slots = word_slots;
  header.num_tokens = num_tokens;
  header.text_bytes = text_starts.back();
  model->assign(reinterpret_cast<const char*>(&header), sizeof header);
  AppendArray(merges.data(), slots, model);
  AppendArray(parts.of_byte, 256, model);
  AppendArray(whole.data(), whole.size(), model);
  AppendArray(whole_starts, 257, model);
  AppendArray(words.data(), word_slots, model);
  AppendArray(parts.ids, num_tokens, model);
  AppendArray(text_starts.data(), text_starts.size(), model);
  for (std::string_view text : parts.texts) model->append(text);
  header.bytes = model->size();
  header.fingerprint = Hash(model->data(), model->size());
  std::memcpy(&(*model)[0], &header, sizeof header);
  return nullptr;
}

uint64_t BytePairModel::fingerprint() const { return header_->fingerprint; }

int64_t BytePairModel::size() const { return header_->num_tokens; }

std::string_view BytePairModel::Text(int64_t number) const {
  if (number < 0 || number >= size()) return {};
  return {texts_ + text_starts_[number], text_starts_[number + 1] - text_starts_[number]};
}

int64_t BytePairModel::NumberOf(int64_t id) const {
  if (id >= 0 && id < size() && ids_[id] == id) return id;  // in most, all ids are so
  const int64_t* found = std::lower_bound(ids_, ids_ + size(), id);
  return found != ids_ + size() && *found == id ? found - ids_ : -1;
}

const BytePairModel::Merge* BytePairModel::Find(int32_t left, int32_t right) const {
  const uint64_t pair = PairOf(left, right);
  for (size_t slot = Mix(pair);; ++slot) {
    const Merge& merge = merges_[slot & (header_->slots - 1)];
    if (merge.pair == pair) return &merge;
    if (merge.pair == kNoPair) return nullptr;
  }
}

int32_t BytePairModel::FindWord(std::string_view word) const {
  for (size_t slot = Hash(word.data(), word.size());; ++slot) {
    const int64_t number = words_[slot & (header_->word_slots - 1)];
    if (number < 0 || Text(number) == word) return number;
  }
}

BytePairModel::Whole BytePairModel::NextWhole(std::string_view text, size_t at) const {
  if (header_->num_whole == 0) return {};
  for (size_t begin = at; begin < text.size(); ++begin) {
    const auto first = static_cast<unsigned char>(text[begin]);
    for (uint64_t i = whole_starts_[first]; i < whole_starts_[first + 1]; ++i) {
      const std::string_view token = Text(whole_[i].number);
      if (text.compare(begin, token.size(), token) != 0) continue;
      Whole found = {whole_[i].number, begin, begin + token.size()};
      if (whole_[i].takes_space) found.begin = at + TrimmedSize(text.substr(at, begin - at));
      return found;
    }
  }
  return {};
}

// ---- Encoding ----

// A word and its tokens; a line of the processor's cache.
struct BytePairEncoder::Word {
  static constexpr int kMostBytes = 30, kMostTokens = 8;
  uint8_t bytes, tokens;  // of an empty place: 0
  char text[kMostBytes];  // zeros behind the word
  int32_t numbers[kMostTokens];
};

// A token of the word that is being merged, in a list of neighbours.
struct BytePairEncoder::Part {
  int32_t number, next, previous;  // -1: merged into another; no neighbour
};

struct BytePairEncoder::Pair {
  const BytePairModel::Merge* merge;
  int32_t left;
  // The heap's top is its largest: the lowest rank, then the first.
  bool operator<(const Pair& other) const {
    if (merge->rank != other.merge->rank) return merge->rank > other.merge->rank;
    return left > other.left;
  }
};

namespace {

constexpr size_t kCached = 1 << 14;  // words; 1 MiB

}  // namespace

BytePairEncoder::BytePairEncoder() : cache_(new Word[kCached]()) {}
BytePairEncoder::~BytePairEncoder() = default;

void BytePairEncoder::Forget() {
  constexpr size_t kMost = 1 << 16;
  if (parts_.capacity() > kMost) std::vector<Part>().swap(parts_);
  if (heap_.capacity() > kMost) std::vector<Pair>().swap(heap_);
  if (prefixed_.capacity() > kMost) std::string().swap(prefixed_);
}

void BytePairEncoder::Encode(const BytePairModel& model, std::string_view text,
                             const BytePairOptions& options, BytePairTokens* tokens) {
  if (model.fingerprint() != fingerprint_) {
    std::fill_n(cache_.get(), kCached, Word());
    fingerprint_ = model.fingerprint();
  }
  model_ = &model;
  word_ = 0;
  for (size_t at = 0; at < text.size();) {
    const BytePairModel::Whole whole = model.NextWhole(text, at);
    const size_t end = whole.number < 0 ? text.size() : whole.begin;
    EncodeBetween(text.substr(at, end - at), options, at, tokens);
    if (whole.number < 0) return;
    tokens->numbers.push_back(whole.number);
    if (options.places) {
      tokens->ends.push_back(whole.end);
      tokens->words.push_back(word_++);
    }
    at = whole.end;
  }
}

void BytePairEncoder::EncodeBetween(std::string_view text, const BytePairOptions& options,
                                    int64_t offset, BytePairTokens* tokens) {
  if (text.empty()) return;
  const bool prefixed = options.prefix_space && text[0] != ' ';
  if (prefixed) {
    prefixed_.assign(1, ' ').append(text);
    text = prefixed_;
    --offset;
  }
  std::vector<int32_t>& numbers = tokens->numbers;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = FirstWord(text.substr(at), options.pattern);
    const std::string_view word = text.substr(at, bytes);
    const size_t before = numbers.size();
    EncodeWord(word, &numbers);
    if (options.places) {
      int64_t end = offset + at;
      for (size_t i = before; i < numbers.size(); ++i) {
        const bool of_vocabulary = numbers[i] < model_->size();
        end += of_vocabulary ? model_->Text(numbers[i]).size() : 1;
        tokens->ends.push_back(end);
        tokens->words.push_back(word_);
      }
      ++word_;
    }
    at += word.size();
  }
}

void BytePairEncoder::EncodeWord(std::string_view word, std::vector<int32_t>* numbers) {
  if (word.size() > Word::kMostBytes) return Merge(word, numbers);
  Word key;
  std::memset(key.text, 0, sizeof key.text);
  std::memcpy(key.text, word.data(), word.size());
  Word& known = cache_[Hash(key.text, word.size()) % kCached];
  if (known.bytes == word.size() && std::memcmp(known.text, key.text, sizeof key.text) == 0) {
    numbers->insert(numbers->end(), known.numbers, known.numbers + known.tokens);
    return;
  }
  const size_t before = numbers->size();
  Merge(word, numbers);
  const size_t tokens = numbers->size() - before;
  if (tokens > Word::kMostTokens) return;
  known.bytes = word.size();
  known.tokens = tokens;
  std::memcpy(known.text, key.text, sizeof key.text);
  std::copy(numbers->end() - tokens, numbers->end(), known.numbers);
}

void BytePairEncoder::Merge(std::string_view word, std::vector<int32_t>* numbers) {
  const int32_t whole = model_->FindWord(word);
  if (whole >= 0) return numbers->push_back(whole);
  const int32_t size = word.size();
  parts_.resize(size);
  for (int32_t i = 0; i < size; ++i) {
    const int32_t number = model_->OfByte(static_cast<unsigned char>(word[i]));
    parts_[i] = {number, i + 1 < size ? i + 1 : -1, i - 1};
  }
  heap_.clear();
  for (int32_t i = 0; i + 1 < size; ++i) Offer(i);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Pair best = heap_.back();
    heap_.pop_back();
    Part& left = parts_[best.left];
    if (left.number < 0 || left.next < 0) continue;
    Part& right = parts_[left.next];
    if (PairOf(left.number, right.number) != best.merge->pair) continue;  // of before a merge
    left.number = best.merge->made;
    left.next = right.next;
    right.number = -1;
    if (left.next >= 0) {
      parts_[left.next].previous = best.left;
      Offer(best.left);
    }
    if (left.previous >= 0) Offer(left.previous);
  }
  for (int32_t i = 0; i >= 0; i = parts_[i].next) numbers->push_back(parts_[i].number);
}

// Puts what a part and the next one merge to on the heap, if they do.
void BytePairEncoder::Offer(int32_t left) {
  const Part& part = parts_[left];
  const auto* merge = model_->Find(part.number, parts_[part.next].number);
  if (merge == nullptr) return;
  heap_.push_back({merge, left});
  std::push_heap(heap_.begin(), heap_.end());
}

// ---- Batches ----

std::vector<BytePairTokens> BytePairEncoders::Encode(const BytePairModel& model,
                                                     const std::vector<std::string_view>& texts,
                                                     const BytePairOptions& options,
                                                     Workers& workers, int64_t* row_splits) {
  return InParts<BytePairTokens>(
      texts.size(), [&](size_t i) { return texts[i].size(); }, workers, row_splits, [&] {
        const auto put_back = [this](BytePairEncoder* encoder) {
          PutBack(std::unique_ptr<BytePairEncoder>(encoder));
        };
        std::shared_ptr<BytePairEncoder> encoder(Take().release(), put_back);
        return [&, encoder](size_t i, BytePairTokens* tokens) {
          encoder->Encode(model, texts[i], options, tokens);
          return tokens->numbers.size();
        };
      });
}

std::unique_ptr<BytePairEncoder> BytePairEncoders::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (idle_.empty()) return std::make_unique<BytePairEncoder>();
  std::unique_ptr<BytePairEncoder> encoder = std::move(idle_.back());
  idle_.pop_back();
  return encoder;
}

void BytePairEncoders::PutBack(std::unique_ptr<BytePairEncoder> encoder) {
  encoder->Forget();
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(encoder));
}

std::string BytePairDecode(const BytePairModel& model, const int64_t* ids, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) text.append(model.Text(model.NumberOf(ids[i])));
  return text;
}

}  // namespace knl
