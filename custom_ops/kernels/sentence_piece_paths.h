// Cuts normalized text into the pieces of a vocabulary, as SentencePiece does: along the path
// of the largest sum of scores, or by merging neighbours. Pieces that no text has are unknown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "piece_trie.h"

namespace knl {

// Pieces by number; those that encoding can give are in the trie.
struct PieceVocabulary {
  PieceTrie pieces;
  PieceTrie whole;       // of them, those that users defined, which never merge; may be empty
  const double* scores;  // [pieces]
  double unknown_score;  // of a character that is no piece
  int32_t unknown;
};

// A piece of a text: those that follow one another are the text.
struct PathPiece {
  int32_t number;
  uint32_t bytes;
};

// The path of the largest sum, of the pieces of a vocabulary and single characters without one.
// Of two that are equal, that whose last piece is longer.
//
// SentencePiece sums from the text's beginning in floats, which rounds: where two paths are
// nearly as good, the sum of all before decides. So here, too.
class UnigramPaths {
 public:
  // `score` is the sum of all before, and is moved on.
  void Find(const PieceVocabulary& vocabulary, std::string_view text, float* score,
            std::vector<PathPiece>* path);

  // The path of the exact sums, and up to which sum before it, positive or negative, `Find`
  // must give it; below 0 if it may always give another.
  float FindExact(const PieceVocabulary& vocabulary, std::string_view text,
                  std::vector<PathPiece>* path);

  void Forget();

 private:
  // The best path that ends at a byte.
  template <class Score>
  struct End {
    Score score;
    int32_t number, begin;  // of its last piece; begin -1: there is no path
  };
  template <class Score, class Watch>
  static void FillEnds(const PieceVocabulary& vocabulary, std::string_view text, Score before,
                       std::vector<End<Score>>* ends, Watch watch);
  template <class Score>
  static void FollowBack(const std::vector<End<Score>>& ends, std::vector<PathPiece>* path);

  std::vector<End<float>> ends_;
  std::vector<End<double>> exact_ends_;
  std::vector<double> leads_;  // of each end's best path over the next best
};

// Characters, of which the neighbours that make the piece of the highest score become one,
// again and again; of equals the first.
class MergePaths {
 public:
  void Find(const PieceVocabulary& vocabulary, std::string_view text,
            std::vector<PathPiece>* path);

  void Forget();

 private:
  // A part of the text, in a list of neighbours.
  struct Part {
    int32_t next, previous;  // -1: no neighbour
    uint32_t begin, bytes;   // 0 bytes: merged into another
    uint32_t node;           // of the trie, or kNowhere
    bool stays;
  };
  struct Pair {
    float score;
    int32_t left, right;
    uint32_t bytes, node;
    // A heap's top is its largest.
    bool operator<(const Pair& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };
  static constexpr uint32_t kNowhere = ~uint32_t{0};

  // Where the trie leads from a node, or kNowhere.
  static uint32_t Walk(const PieceTrie& trie, uint32_t node, std::string_view text);
  void Offer(const PieceVocabulary& vocabulary, std::string_view text, int32_t left,
             int32_t right);

  std::vector<Part> parts_;
  std::vector<Pair> heap_;
};

}  // namespace knl
