// The attributes and inputs of both ops of bias_gelu_ops.cc, from any of TensorFlow's contexts.
#pragma once

#include <string>
#include <vector>

#include "kernels/bias_gelu.h"
#include "tensorflow/core/platform/errors.h"
#include "tf/rows.h"

namespace knl {

struct BiasGeluOptions {
  bool approximate = false;
  int n_bias = 0;

  template <typename Context>
  absl::Status Read(Context* context) {
    TF_RETURN_IF_ERROR(context->GetAttr("approximate", &approximate));
    return context->GetAttr("n_bias", &n_bias);
  }
};

// The inputs: with a gradient dy, then x, then a bias or none. Empty if all is well, or one
// sentence that says what was wanted and what came.
inline std::string ReadBiasGelu(const BiasGeluOptions& o, const std::vector<Array>& inputs,
                                bool gradient, BiasGelu* gelu) {
  if (o.n_bias > 1) {
    return "`bias` must hold none or 1 tensor. Received: " + std::to_string(o.n_bias) + ".";
  }
  Rows rows("x", inputs[gradient]);
  if (gradient) rows.SameShape("dy", inputs[0]);
  if (o.n_bias > 0) rows.PerFeature("bias", inputs[gradient + 1]);
  gelu->approximate = o.approximate;
  gelu->rows = rows.rows();
  gelu->width = rows.width();
  return rows.wrong();
}

}  // namespace knl
