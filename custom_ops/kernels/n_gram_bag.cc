#include "n_gram_bag.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "blocks.h"
#include "hashing.h"
#include "text_parts.h"

namespace knl {

// ---- The model ----

namespace {

constexpr uint64_t kMagic = 0x31474142474e4e4b;  // "KNNGBAG1"

}  // namespace

// What follows, in this order: words [word_slots], children [child_slots], columns [nodes],
// word_starts [W + 1], bytes of the words.
struct NGramModel::Header {
  uint64_t magic, bytes, word_slots, child_slots, num_words, num_nodes, num_columns, word_bytes;
};

Problem NGramModel::Read(const void* data, size_t size) {
  constexpr uint64_t kMost = uint64_t{1} << 40;
  header_ = static_cast<const Header*>(data);
  const bool begins_well = size >= sizeof(Header) && header_->magic == kMagic &&
                           header_->bytes == size && IsSlots(header_->word_slots) &&
                           IsSlots(header_->child_slots) && header_->num_words < kMost &&
                           header_->num_nodes < kMost && header_->word_bytes < kMost;
  if (!begins_well) return Say("This is no model of n-grams, or not all of one.");
  BlockReader block(data, sizeof(Header));
  block.Next(&words_, header_->word_slots);
  block.Next(&children_, header_->child_slots);
  block.Next(&columns_, header_->num_nodes);
  block.Next(&word_starts_, header_->num_words + 1);
  block.Next(&word_bytes_, header_->word_bytes);
  if (block.size() != size) {
    return Say("A model of n-grams has %zu bytes and not those that it should.", size);
  }
  return nullptr;
}

Problem MakeNGramModel(const NGramParts& parts, std::string* model) {
  using Entry = NGramModel::Entry;
  const int64_t num_words = parts.words.size();
  const auto put = [](std::vector<Entry>* table, uint64_t hash, Entry entry) {
    size_t slot = hash & (table->size() - 1);
    while ((*table)[slot].node >= 0) slot = (slot + 1) & (table->size() - 1);
    (*table)[slot] = entry;
  };
  std::vector<Entry> words(SlotsFor(num_words), {0, -1});
  std::vector<uint64_t> word_starts = {0};
  for (int64_t i = 0; i < num_words; ++i) {
    const uint64_t hash = Hash(parts.words[i].data(), parts.words[i].size());
    put(&words, hash, {hash, i});
    word_starts.push_back(word_starts.back() + parts.words[i].size());
  }
  std::vector<Entry> children(SlotsFor(parts.num_keys), {0, -1});
  for (int64_t i = 0; i < parts.num_keys; ++i) {
    const uint64_t key = parts.keys[i];
    put(&children, Mix(key), {key, num_words + i});
  }
  const int64_t num_nodes = num_words + parts.num_keys;
  for (int64_t node = 0; node < num_nodes; ++node) {
    if (parts.columns[node] < 0 || parts.columns[node] > parts.num_columns) {
      return Say("Column %lld is none of %lld.", static_cast<long long>(parts.columns[node]),
                 static_cast<long long>(parts.num_columns));
    }
  }
  NGramModel::Header header = {kMagic,
                               0,
                               words.size(),
                               children.size(),
                               static_cast<uint64_t>(num_words),
                               static_cast<uint64_t>(num_nodes),
                               static_cast<uint64_t>(parts.num_columns),
                               word_starts.back()};
  model->assign(reinterpret_cast<const char*>(&header), sizeof header);
  AppendArray(words.data(), words.size(), model);
  AppendArray(children.data(), children.size(), model);
  AppendArray(parts.columns, num_nodes, model);
  AppendArray(word_starts.data(), word_starts.size(), model);
  for (std::string_view word : parts.words) model->append(word);
  header.bytes = model->size();
  std::memcpy(&(*model)[0], &header, sizeof header);
  return nullptr;
}

int64_t NGramModel::num_words() const { return header_->num_words; }
int64_t NGramModel::num_columns() const { return header_->num_columns; }

int64_t NGramModel::Word(std::string_view token) const {
  const uint64_t hash = Hash(token.data(), token.size());
  for (size_t slot = hash;; ++slot) {
    const Entry& entry = words_[slot & (header_->word_slots - 1)];
    if (entry.node < 0) return -1;
    if (entry.key != hash) continue;
    const uint64_t start = word_starts_[entry.node];
    const std::string_view word(word_bytes_ + start, word_starts_[entry.node + 1] - start);
    if (word == token) return entry.node;
  }
}

int64_t NGramModel::Longer(int64_t node, int64_t word) const {
  if (node < 0 || word < 0) return -1;
  const uint64_t key = node * num_words() + word;
  for (size_t slot = Mix(key);; ++slot) {
    const Entry& entry = children_[slot & (header_->child_slots - 1)];
    if (entry.node < 0 || entry.key == key) return entry.node;
  }
}

int64_t NGramModel::Column(int64_t node) const {
  return node < 0 ? num_columns() : columns_[node];
}

// ---- Bags ----

namespace {

// What a byte becomes: white space ends a token, punctuation is passed over.
enum ByteKind : uint8_t { kKeep, kSpace, kPass };

struct Bytes {
  Bytes(bool lower, bool strip) {
    for (int byte = 0; byte < 256; ++byte) {
      const bool punctuation = (byte > 32 && byte < 48) || (byte > 57 && byte < 65) ||
                               (byte > 90 && byte < 97) || (byte > 122 && byte < 127);
      const bool space = byte == 32 || (byte > 8 && byte < 14);
      kind[byte] = space ? kSpace : strip && punctuation ? kPass : kKeep;
      become[byte] = lower && byte > 64 && byte < 91 ? byte + 32 : byte;
    }
  }
  std::array<ByteKind, 256> kind;
  std::array<char, 256> become;
};

// The numbers of a text's words.
void FindWords(const NGramModel& model, const Bytes& bytes, std::string_view text,
               std::string* token, std::vector<int64_t>* words) {
  words->clear();
  token->clear();
  for (size_t i = 0; i <= text.size(); ++i) {
    const unsigned char byte = i < text.size() ? text[i] : ' ';
    if (bytes.kind[byte] == kKeep) {
      token->push_back(bytes.become[byte]);
    } else if (bytes.kind[byte] == kSpace && !token->empty()) {
      words->push_back(model.Word(*token));
      token->clear();
    }
  }
}

// Appends the bag of a text's words, and returns how many columns there are by then; `found`
// is room for what it finds.
size_t Bag(const NGramModel& model, const NGramOptions& options, const std::vector<int64_t>& words,
         std::vector<int64_t>* found, NGramRows* rows) {
  found->clear();
  const int64_t none = model.num_columns(), largest = options.sizes.back();
  for (size_t start = 0; start < words.size(); ++start) {
    int64_t node = words[start];
    for (int64_t n = 1; node >= 0; ++n) {
      const int64_t column = model.Column(node);
      const bool wanted = std::binary_search(options.sizes.begin(), options.sizes.end(), n);
      if (wanted && column != none) found->push_back(column);
      if (n == largest || start + n >= words.size()) break;
      node = model.Longer(node, words[start + n]);
    }
  }
  std::sort(found->begin(), found->end());
  for (size_t i = 0; i < found->size(); ++i) {
    if (i == 0 || (*found)[i] != (*found)[i - 1]) {
      rows->columns.push_back((*found)[i]);
      rows->counts.push_back(0);
    }
    ++rows->counts.back();
  }
  return rows->columns.size();
}

}  // namespace

std::vector<NGramRows> NGramBags(const NGramModel& model, const NGramOptions& options,
                                 const std::vector<std::string_view>& texts, Workers& workers,
                                 int64_t* row_splits) {
  const Bytes bytes(options.lower, options.strip);
  return InParts<NGramRows>(
      texts.size(), [&](size_t i) { return texts[i].size(); }, workers, row_splits, [&] {
        return [&, words = std::vector<int64_t>(), found = std::vector<int64_t>(),
                token = std::string()](size_t i, NGramRows* rows) mutable {
          FindWords(model, bytes, texts[i], &token, &words);
          return Bag(model, options, words, &found, rows);
        };
      });
}

Problem NGramBags(const NGramModel& model, const NGramOptions& options,
                  const NumberedTexts& texts, Workers& workers, std::vector<NGramRows>* parts,
                  int64_t* row_splits) {
  constexpr int64_t kNone = INT64_MIN, kTokenBytes = 6;  // of a usual text, its space included
  std::atomic<int64_t> unknown{kNone};
  const auto bytes_of = [&](size_t i) {
    return kTokenBytes * (texts.splits[i + 1] - texts.splits[i]);
  };
  *parts = InParts<NGramRows>(texts.count, bytes_of, workers, row_splits, [&] {
    return [&, words = std::vector<int64_t>(), found = std::vector<int64_t>()](
               size_t i, NGramRows* rows) mutable {
      words.clear();
      for (int64_t k = texts.splits[i]; k < texts.splits[i + 1]; ++k) {
        const int64_t token = texts.tokens[k];
        const bool known = token >= 0 && token < texts.corpus_words;
        if (!known) unknown = token;
        const int64_t word = known ? texts.words_of_corpus[token] : -1;
        words.push_back(word < model.num_words() ? word : -1);
      }
      return Bag(model, options, words, &found, rows);
    };
  });
  if (unknown != kNone) {
    return Say("Token %lld is none of the corpus, which has %lld.",
               static_cast<long long>(unknown.load()),
               static_cast<long long>(texts.corpus_words));
  }
  return nullptr;
}

}  // namespace knl
