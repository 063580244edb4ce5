// What the kernels refuse, as a status of TensorFlow's.
#pragma once

#include <string>

#include "kernels/call.h"
#include "tensorflow/core/platform/status.h"

namespace knl {

// Of one sentence, or none if all is well.
inline absl::Status AsStatus(const std::string& sentence) {
  return sentence.empty() ? absl::OkStatus() : absl::InvalidArgumentError(sentence);
}

inline absl::Status AsStatus(Problem problem) {
  return problem == nullptr ? absl::OkStatus() : absl::InvalidArgumentError(problem);
}

}  // namespace knl
