// What few_rows.cc hands to the code of an instruction set.
#pragma once

#include <cstdint>

#include "few_rows.h"

namespace knl {

constexpr int64_t kMostRows = 32;      // that meet the weights together
constexpr int64_t kTableOutputs = 48;  // of a transposed W, that are summed up together
constexpr int64_t kOutputStep = 64;    // ranges of outputs begin at its multiples

// Rows x as their weights meet them, floats or, see few_rows_meeting.h, whole numbers: each in
// the room of `stride` floats, with zeros behind its inputs.
struct WideRows {
  const float* x;
  int64_t stride;
  int64_t first_row, rows;  // which of the arrays' rows; at most kMostRows
};

// A rectangle of W [inputs, outputs]. `sums` gets a row of floats for each row of x, in the
// room of `stride`, of which [first_output, end_output) and what fills the last vector are
// written.
struct FewRowsTask {
  int64_t first_input, end_input;
  int64_t first_output, end_output;
  float* sums;
  int64_t stride;
};

}  // namespace knl
