// Checks arrays that are rows of features, and what goes with each feature or each row. Knows
// no framework, so that graphs are refused in the same words when they are built and run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tf/array.h"

namespace knl {

class Rows {
 public:
  // Of [..., width]; all that is checked afterwards must fit it.
  Rows(const char* name, const Array& rows);

  void SameShape(const char* name, const Array& array);
  void PerFeature(const char* name, const Array& array);  // [width]
  void PerRow(const char* name, const Array& array);      // [...]
  void Seed(const Array& array);                          // [2]

  // The first sentence that says what was wanted and what came; empty if all is well.
  const std::string& wrong() const { return wrong_; }
  // 0 and 1 where they are not known.
  int64_t rows() const;
  int64_t width() const;

 private:
  void Check(const char* name, const Array& array, const std::vector<int64_t>& wanted);

  const Array first_;
  std::string wrong_;
};

}  // namespace knl
