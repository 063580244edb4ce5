#include "sentence_piece_paths.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sentence_piece_text.h"

namespace knl {
namespace {

constexpr size_t kMostKept = 1 << 16;  // elements of room for what may come

template <class T>
void Shrink(std::vector<T>* room) {
  if (room->capacity() > kMostKept) std::vector<T>().swap(*room);
}

}  // namespace

// ---- The largest sum ----

// Calls watch(end, lead, sum) for each piece: where it ends, how much better its sum is than
// the best that ended there so far, infinity if there was none, and that sum.
template <class Score, class Watch>
void UnigramPaths::FillEnds(const PieceVocabulary& vocabulary, std::string_view text, Score before,
                            std::vector<End<Score>>* ends, Watch watch) {
  ends->assign(text.size() + 1, {0, 0, -1});
  (*ends)[0].score = before;
  const auto propose = [&](size_t begin, size_t end, int32_t number, double sum) {
    End<Score>& best = (*ends)[end];
    const double lead =
        best.begin < 0 ? std::numeric_limits<double>::infinity() : sum - best.score;
    watch(end, lead, sum);
    if (best.begin < 0 || sum > best.score) {
      best = {static_cast<Score>(sum), number, static_cast<int32_t>(begin)};
    }
  };
  for (size_t begin = 0; begin < text.size();) {
    const size_t character = CharacterBytes(text.substr(begin));
    const double sum = (*ends)[begin].score;
    bool known = false;
    uint32_t node = PieceTrie::kRoot;
    // SentencePiece compares sums before it rounds them to what it stores, but for those with
    // an unknown character, which it rounds first.
    for (size_t end = begin; end < text.size() && vocabulary.pieces.Step(text[end], &node);) {
      ++end;
      const int32_t number = vocabulary.pieces.Value(node);
      if (number < 0) continue;
      propose(begin, end, number, sum + vocabulary.scores[number]);
      known |= end - begin == character;
    }
    if (!known) {
      const auto rounded = static_cast<Score>(sum + vocabulary.unknown_score);
      propose(begin, begin + character, vocabulary.unknown, rounded);
    }
    begin += character;
  }
}

template <class Score>
void UnigramPaths::FollowBack(const std::vector<End<Score>>& ends, std::vector<PathPiece>* path) {
  path->clear();
  for (int32_t end = ends.size() - 1; end > 0; end = ends[end].begin) {
    path->push_back({ends[end].number, static_cast<uint32_t>(end - ends[end].begin)});
  }
  std::reverse(path->begin(), path->end());
}

void UnigramPaths::Find(const PieceVocabulary& vocabulary, std::string_view text, float* score,
                        std::vector<PathPiece>* path) {
  FillEnds(vocabulary, text, *score, &ends_, [](size_t, double, double) {});
  *score = ends_[text.size()].score;
  FollowBack(ends_, path);
}

float UnigramPaths::FindExact(const PieceVocabulary& vocabulary, std::string_view text,
                              std::vector<PathPiece>* path) {
  leads_.assign(text.size() + 1, 0);
  double largest = 0;
  FillEnds(vocabulary, text, 0.0, &exact_ends_, [&](size_t end, double lead, double sum) {
    leads_[end] = lead > 0 ? lead : std::min(leads_[end], -lead);
    largest = std::max(largest, std::fabs(sum));
  });
  FollowBack(exact_ends_, path);
  double least = std::numeric_limits<double>::infinity();
  size_t end = 0;
  for (const PathPiece& piece : *path) least = std::min(least, leads_[end += piece.bytes]);
  // With a sum before it of at most `limit`, no sum in floats is larger than m = limit +
  // largest, so that none of the at most text.size() additions on a path is off by more than
  // m / 2^24. Then no two paths that are compared have come nearer by m / 2^23 for each of
  // them; and half of that for all that was rounded here.
  return least * (1 << 22) / text.size() - largest;
}

void UnigramPaths::Forget() {
  Shrink(&ends_);
  Shrink(&exact_ends_);
  Shrink(&leads_);
}

// ---- Merging ----

uint32_t MergePaths::Walk(const PieceTrie& trie, uint32_t node, std::string_view text) {
  if (node == kNowhere) return kNowhere;
  for (char byte : text) {
    if (!trie.Step(byte, &node)) return kNowhere;
  }
  return node;
}

void MergePaths::Offer(const PieceVocabulary& vocabulary, std::string_view text, int32_t left,
                       int32_t right) {
  if (left < 0 || right < 0 || parts_[left].stays || parts_[right].stays) return;
  const std::string_view more = text.substr(parts_[right].begin, parts_[right].bytes);
  const uint32_t node = Walk(vocabulary.pieces, parts_[left].node, more);
  if (node == kNowhere) return;
  const int32_t made = vocabulary.pieces.Value(node);
  if (made < 0) return;
  const uint32_t bytes = parts_[left].bytes + parts_[right].bytes;
  heap_.push_back({static_cast<float>(vocabulary.scores[made]), left, right, bytes, node});
  std::push_heap(heap_.begin(), heap_.end());
}

void MergePaths::Find(const PieceVocabulary& vocabulary, std::string_view text,
                      std::vector<PathPiece>* path) {
  parts_.clear();
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    size_t bytes = vocabulary.whole.empty() ? 0 : vocabulary.whole.LongestPrefix(rest);
    const bool stays = bytes > 0;
    if (!stays) bytes = CharacterBytes(rest);
    const int32_t index = parts_.size();
    const uint32_t node = Walk(vocabulary.pieces, PieceTrie::kRoot, rest.substr(0, bytes));
    parts_.push_back({index + 1, index - 1, static_cast<uint32_t>(at),
                      static_cast<uint32_t>(bytes), node, stays});
    at += bytes;
  }
  if (!parts_.empty()) parts_.back().next = -1;
  heap_.clear();
  for (int32_t i = 1; i < static_cast<int32_t>(parts_.size()); ++i) {
    Offer(vocabulary, text, i - 1, i);
  }
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Pair best = heap_.back();
    heap_.pop_back();
    Part& left = parts_[best.left];
    Part& right = parts_[best.right];
    const bool stale = left.bytes == 0 || right.bytes == 0 || left.bytes + right.bytes != best.bytes;
    if (stale) continue;
    left.bytes = best.bytes;
    left.node = best.node;
    left.next = right.next;
    right.bytes = 0;
    if (left.next >= 0) parts_[left.next].previous = best.left;
    Offer(vocabulary, text, left.previous, best.left);
    Offer(vocabulary, text, best.left, left.next);
  }
  path->clear();
  for (int32_t i = parts_.empty() ? -1 : 0; i >= 0; i = parts_[i].next) {
    const uint32_t node = parts_[i].node;
    const int32_t number = node == kNowhere ? -1 : vocabulary.pieces.Value(node);
    path->push_back({number < 0 ? vocabulary.unknown : number, parts_[i].bytes});
  }
}

void MergePaths::Forget() {
  Shrink(&parts_);
  Shrink(&heap_);
}

}  // namespace knl
