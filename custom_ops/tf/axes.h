// Checks arrays of which axes share sizes. Knows no framework, so that graphs are refused in
// the same words when they are built and run.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "tf/array.h"

namespace knl {

// One letter of a header in kernels/: unknown until an input tells it, then the same everywhere.
struct Size {
  const char* name;  // null: a plain number
  int64_t value = -1;
};

// An axis of a wanted shape, which may also be 1 where an array is the same for all.
struct Axis {
  Axis(Size& size, bool or_one = false) : size(size), or_one(or_one) {}
  Size& size;
  bool or_one;
};

inline bool Fits(Axis axis, int64_t received) {
  if (received < 0 || (axis.or_one && received == 1)) return true;
  if (axis.size.value < 0 && !axis.or_one) axis.size.value = received;
  return axis.size.value < 0 || axis.size.value == received;
}

inline std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return "[" + text + "]";
}

inline std::string CheckShape(const std::string& name, const Array& array,
                              std::initializer_list<Axis> wanted) {
  if (!array.ranked) return "";
  std::vector<std::string> want, received;
  // Before any size is learned from this array: it must not be asked for its own.
  for (const Axis& axis : wanted) {
    std::string text = axis.or_one ? "1 or " : "";
    if (axis.size.name != nullptr) text += axis.size.name;
    if (axis.size.name != nullptr && axis.size.value >= 0) text += "=";
    if (axis.size.value >= 0) text += std::to_string(axis.size.value);
    want.push_back(text);
  }
  for (int64_t size : array.sizes) received.push_back(size < 0 ? "?" : std::to_string(size));
  bool fits = array.sizes.size() == wanted.size();
  for (size_t i = 0; fits && i < wanted.size(); ++i) {
    fits = Fits(wanted.begin()[i], array.sizes[i]);
  }
  if (fits) return "";
  return "`" + name + "` must have shape " + Joined(want) + ". Received: " + Joined(received) +
         ".";
}

// The first sentence, if any: what follows a wrong shape is not worth reading.
inline std::string First(std::initializer_list<std::string> sentences) {
  for (const std::string& sentence : sentences) {
    if (!sentence.empty()) return sentence;
  }
  return "";
}

}  // namespace knl
