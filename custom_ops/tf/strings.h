// Strings and blocks of bytes, between TensorFlow and the kernels.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"
#include "tf/context.h"

namespace knl {

inline std::vector<std::string_view> Views(const tensorflow::Tensor& strings) {
  const auto flat = strings.flat<tensorflow::tstring>();
  return {flat.data(), flat.data() + flat.size()};
}

// Output i, uint8 [bytes].
inline absl::Status OutputBytes(tensorflow::OpKernelContext* ctx, int i,
                                const std::string& bytes) {
  void* output;
  const tensorflow::TensorShape shape({static_cast<int64_t>(bytes.size())});
  TF_RETURN_IF_ERROR(Allocate(ctx, i, shape, &output));
  std::copy(bytes.begin(), bytes.end(), static_cast<char*>(output));
  return absl::OkStatus();
}

}  // namespace knl
