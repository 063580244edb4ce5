// Holds bags of n-grams to counting strings.
#include "n_gram_bag.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "testing.h"

namespace knl {
namespace {

using Gram = std::vector<std::string>;

// A vocabulary by its words and n-grams, as a trie and as plain strings.
struct Vocabulary {
  std::vector<std::string> words;
  std::vector<int64_t> keys, columns;
  std::map<Gram, int64_t> column_of;

  std::string Model() const {
    std::string model;
    const NGramParts parts = {{words.begin(), words.end()},
                              keys.data(),
                              static_cast<int64_t>(keys.size()),
                              columns.data(),
                              static_cast<int64_t>(column_of.size())};
    if (Problem problem = MakeNGramModel(parts, &model)) Fail("%s", problem);
    return model;
  }
};

Vocabulary MakeVocabulary(Random& random, int most) {
  Vocabulary v;
  const int num_words = 1 + random.Below(40);
  for (int i = 0; i < num_words; ++i) {
    v.words.push_back(std::string(1 + i % 17, 'a' + i % 5) + std::to_string(i));
  }
  std::vector<Gram> of_node;
  for (const auto& word : v.words) of_node.push_back({word});
  std::set<int64_t> seen;
  for (int i = random.Below(200); i > 0; --i) {
    const int64_t node = random.Below(of_node.size()), word = random.Below(num_words);
    const int64_t key = node * num_words + word;
    if (static_cast<int>(of_node[node].size()) == most || !seen.insert(key).second) continue;
    v.keys.push_back(key);
    of_node.push_back(of_node[node]);
    of_node.back().push_back(v.words[word]);
  }
  for (const Gram& gram : of_node) {
    if (random.Chance(0.7)) v.column_of.emplace(gram, v.column_of.size());
  }
  for (const Gram& gram : of_node) {
    const auto found = v.column_of.find(gram);
    v.columns.push_back(found == v.column_of.end() ? v.column_of.size() : found->second);
  }
  return v;
}

std::map<int64_t, float> PlainBag(const Vocabulary& v, const Gram& tokens,
                                  const std::vector<int64_t>& sizes) {
  std::map<int64_t, float> bag;
  for (int64_t n : sizes) {
    for (size_t i = 0; i + n <= tokens.size(); ++i) {
      const auto found = v.column_of.find(Gram(tokens.begin() + i, tokens.begin() + i + n));
      if (found != v.column_of.end()) ++bag[found->second];
    }
  }
  return bag;
}

void Compare(const char* what, const std::vector<NGramRows>& parts,
             const std::vector<int64_t>& row_splits,
             const std::vector<std::map<int64_t, float>>& wanted) {
  NGramRows all;
  for (const auto& part : parts) {
    all.columns.insert(all.columns.end(), part.columns.begin(), part.columns.end());
    all.counts.insert(all.counts.end(), part.counts.begin(), part.counts.end());
  }
  if (row_splits.back() != static_cast<int64_t>(all.columns.size())) Fail("%s: rows end early", what);
  for (size_t row = 0; row < wanted.size(); ++row) {
    std::map<int64_t, float> got;
    int64_t last = -1;
    for (int64_t k = row_splits[row]; k < row_splits[row + 1]; ++k) {
      if (all.columns[k] <= last) Fail("%s: columns do not rise", what);
      got[last = all.columns[k]] = all.counts[k];
    }
    if (got != wanted[row]) Fail("%s: row %zu has another bag", what, row);
  }
}

int TestBags() {
  Random random(1);
  int cases = 0;
  for (; cases < 150; ++cases) {
    const Vocabulary v = MakeVocabulary(random, 3);
    const std::string memory = v.Model();
    NGramModel model;
    if (Problem problem = model.Read(memory.data(), memory.size())) Fail("%s", problem);
    static const std::vector<int64_t> all_sizes[] = {{1}, {1, 2}, {2}, {1, 2, 3}, {3}};
    NGramOptions options;
    options.sizes = all_sizes[cases % 5];
    options.lower = cases % 2, options.strip = cases % 3 > 0;

    const int64_t count = random.Below(cases % 10 == 0 ? 900 : 9);
    std::vector<std::string> texts(count);
    std::vector<int32_t> numbers;
    std::vector<int64_t> splits = {0}, row_splits(count + 1, -7);
    std::vector<std::map<int64_t, float>> wanted(count);
    for (int64_t t = 0; t < count; ++t) {
      Gram tokens;
      for (int64_t k = random.Below(30); k > 0; --k) {
        // The last number of all is of a word that is not in the vocabulary.
        const int32_t number = random.Below(v.words.size() + 1);
        const bool known = number < static_cast<int32_t>(v.words.size());
        std::string token = known ? v.words[number] : "unknown";
        numbers.push_back(number);
        tokens.push_back(token);
        if (options.lower) token[0] = token[0] - 'a' + 'A';
        if (options.strip) token.insert(random.Below(token.size()), "!~");
        texts[t] += token + "\t\n\v\f\r "[random.Below(6)];
        if (options.strip && random.Chance(0.1)) texts[t] += "... ";
      }
      splits.push_back(numbers.size());
      wanted[t] = PlainBag(v, tokens, options.sizes);
    }
    Threads workers(1 + cases % 4), more(3);
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    Compare("texts", NGramBags(model, options, views, workers, row_splits.data()), row_splits,
            wanted);

    std::vector<int64_t> words_of_corpus(v.words.size() + 1);
    for (size_t i = 0; i < v.words.size(); ++i) words_of_corpus[i] = i;
    words_of_corpus.back() = -1;
    NumberedTexts numbered = {numbers.data(), splits.data(), count, words_of_corpus.data(),
                              static_cast<int64_t>(words_of_corpus.size())};
    std::vector<NGramRows> parts;
    if (Problem problem =
            NGramBags(model, options, numbered, more, &parts, row_splits.data())) {
      Fail("%s", problem);
    }
    Compare("numbers", parts, row_splits, wanted);
  }
  return cases;
}

int TestRefusals() {
  Random random(2);
  Vocabulary v = MakeVocabulary(random, 2);
  const std::string memory = v.Model();
  int cases = 0;
  for (size_t size : {size_t{0}, size_t{8}, memory.size() / 2, memory.size() - 1}) {
    NGramModel model;
    if (model.Read(memory.data(), size) == nullptr) Fail("half a model is taken");
    ++cases;
  }
  NGramModel model;
  model.Read(memory.data(), memory.size());
  NGramOptions options;
  options.sizes = {1};
  const int64_t splits[] = {0, 1}, words_of_corpus[] = {0};
  for (int32_t token : {-1, 1}) {
    Threads workers(1);
    std::vector<NGramRows> parts;
    int64_t row_splits[2];
    const NumberedTexts texts = {&token, splits, 1, words_of_corpus, 1};
    if (NGramBags(model, options, texts, workers, &parts, row_splits) == nullptr) {
      Fail("token %d of a corpus of one is taken", token);
    }
    ++cases;
  }
  v.columns[0] = v.column_of.size() + 1;
  std::string other;
  const NGramParts parts = {{v.words.begin(), v.words.end()}, v.keys.data(),
                            static_cast<int64_t>(v.keys.size()), v.columns.data(),
                            static_cast<int64_t>(v.column_of.size())};
  if (MakeNGramModel(parts, &other) == nullptr) Fail("a column that is not there is taken");
  return cases + 1;
}

}  // namespace
}  // namespace knl

int main() {
  using namespace knl;
  Group("bags are counts of strings", TestBags);
  Group("what does not fit is refused", TestRefusals);
  return failures > 0;
}
