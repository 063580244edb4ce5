#include "sentence_piece_proto.h"

#include <cstring>

namespace knl {
namespace {

// The fields of one message, one after the other.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  // Goes on to the next field; false at the end, or where the message is broken.
  bool Next() {
    if (rest_.empty()) return false;
    uint64_t tag = 0, bytes = 0;
    if (!ReadNumber(&tag)) return false;
    number_ = tag >> 3;
    text_ = {};
    value_ = 0;
    switch (tag & 7) {
      case 0:
        return ReadNumber(&value_);
      case 1:
        return Take(8);
      case 2:
        return ReadNumber(&bytes) && Take(bytes);
      case 5:
        return Take(4);
      default:
        broken_ = true;
        return false;
    }
  }
  bool broken() const { return broken_; }
  uint64_t number() const { return number_; }
  // What it holds, as far as it is of that type, otherwise nothing.
  std::string_view text() const { return text_; }
  uint64_t value() const { return value_; }
  float AsFloat() const {
    float value = 0;
    if (text_.size() == sizeof value) std::memcpy(&value, text_.data(), sizeof value);
    return value;
  }

 private:
  bool ReadNumber(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const unsigned char byte = rest_[0];
      rest_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    broken_ = true;
    return false;
  }
  bool Take(uint64_t bytes) {
    broken_ = bytes > rest_.size();
    if (broken_) return false;
    text_ = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return true;
  }

  std::string_view rest_, text_;
  uint64_t number_ = 0, value_ = 0;
  bool broken_ = false;
};

// Calls use(fields) for each field of a message; whether it is whole.
template <class Use>
bool ForFields(std::string_view message, Use use) {
  Fields fields(message);
  while (fields.Next()) use(fields);
  return !fields.broken();
}

}  // namespace

Problem ReadSentencePieceProto(std::string_view proto, SentencePieceParts* parts) {
  bool whole = true;
  const auto piece = [](std::string_view message, Piece* piece) {
    return ForFields(message, [&](const Fields& field) {
      if (field.number() == 1) piece->text = field.text();
      if (field.number() == 2) piece->score = field.AsFloat();
      const bool known = field.value() >= 1 && field.value() <= 6;
      if (field.number() == 3 && known) piece->kind = static_cast<PieceKind>(field.value());
    });
  };
  const auto trainer = [&](std::string_view message) {
    return ForFields(message, [&](const Fields& field) {
      const bool known = field.value() >= 1 && field.value() <= 4;
      if (field.number() == 3 && known) {
        parts->algorithm = static_cast<PieceAlgorithm>(field.value());
      }
      if (field.number() == 24) parts->space_is_behind = field.value() != 0;
      if (field.number() == 35) parts->byte_fallback = field.value() != 0;
    });
  };
  const auto normalizer = [&](std::string_view message) {
    return ForFields(message, [&](const Fields& field) {
      if (field.number() == 2) parts->character_map = field.text();
      if (field.number() == 3) parts->adds_space = field.value() != 0;
      if (field.number() == 4) parts->joins_spaces = field.value() != 0;
      if (field.number() == 5) parts->escapes_spaces = field.value() != 0;
    });
  };
  whole &= ForFields(proto, [&](const Fields& field) {
    if (field.number() == 1) whole &= piece(field.text(), &parts->pieces.emplace_back());
    if (field.number() == 2) whole &= trainer(field.text());
    if (field.number() == 3) whole &= normalizer(field.text());
  });
  return whole ? nullptr : Say("This is no SentencePiece model, or not all of one.");
}

}  // namespace knl
