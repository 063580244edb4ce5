// The attributes and inputs of the op of few_rows_ops.cc, from any of TensorFlow's contexts.
#pragma once

#include <string>
#include <vector>

#include "kernels/few_rows.h"
#include "tensorflow/core/platform/errors.h"
#include "tf/axes.h"

namespace knl {

struct FewRowsOptions {
  bool transposed = false;
  // How many tensors each optional input holds.
  int n_scale = 0, n_bias = 0;

  template <typename Context>
  absl::Status Read(Context* context) {
    TF_RETURN_IF_ERROR(context->GetAttr("transposed", &transposed));
    TF_RETURN_IF_ERROR(context->GetAttr("n_scale", &n_scale));
    return context->GetAttr("n_bias", &n_bias);
  }
};

// Empty if all is well, or one sentence that says what was wanted and what came. `rows` are
// all axes of x but the last.
inline std::string ReadFewRows(const FewRowsOptions& o, const std::vector<Array>& inputs,
                               FewRows* f) {
  if (o.n_scale > 1 || o.n_bias > 1) {
    return "`scale` and `bias` must hold none or 1 tensor. Received: " +
           std::to_string(o.n_scale) + " and " + std::to_string(o.n_bias) + ".";
  }
  const Array& x = inputs[0];
  if (x.ranked && x.sizes.empty()) {
    return "`x` must have features on its last axis. Received: a scalar.";
  }
  Size in{"inputs", x.ranked ? x.sizes.back() : -1}, out{"outputs"};
  const Axis first = o.transposed ? out : in, second = o.transposed ? in : out;
  std::string wrong = CheckShape("weights", inputs[1], {first, second});
  if (wrong.empty() && o.n_scale) wrong = CheckShape("scale", inputs[2], {out});
  if (wrong.empty() && o.n_bias) wrong = CheckShape("bias", inputs[2 + o.n_scale], {out});
  if (!wrong.empty()) return wrong;

  f->transposed = o.transposed;
  f->rows = 1;
  for (size_t i = 0; x.ranked && i + 1 < x.sizes.size(); ++i) {
    f->rows *= x.sizes[i] < 0 ? 0 : x.sizes[i];
  }
  f->inputs = in.value < 0 ? 1 : in.value;
  f->outputs = out.value < 0 ? 1 : out.value;
  const Problem problem = CheckFewRows(*f);
  return problem == nullptr ? "" : problem;
}

}  // namespace knl
