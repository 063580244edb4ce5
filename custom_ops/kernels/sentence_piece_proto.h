// Reads what encoding needs of a SentencePiece model file, which is a protocol buffer.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "call.h"

namespace knl {

// As the file counts them.
enum class PieceKind : uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };
enum class PieceAlgorithm : uint8_t { kUnigram = 1, kBytePair, kWord, kCharacter };

struct Piece {
  std::string_view text;
  float score = 0;
  PieceKind kind = PieceKind::kNormal;
};

// What a file says; texts lie in it.
struct SentencePieceParts {
  std::vector<Piece> pieces;
  PieceAlgorithm algorithm = PieceAlgorithm::kUnigram;
  bool byte_fallback = false;
  // Of normalization: the map of characters; whether a space is added, and whether it goes
  // behind the text; whether neighbouring spaces, and those at both ends, become one, and none;
  // whether a space is written as U+2581.
  std::string_view character_map;
  bool adds_space = true, space_is_behind = false, joins_spaces = true, escapes_spaces = true;
};

// What comes later in the file counts, where it says something twice.
Problem ReadSentencePieceProto(std::string_view proto, SentencePieceParts* parts);

}  // namespace knl
