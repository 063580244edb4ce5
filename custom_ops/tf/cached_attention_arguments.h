// The attributes and inputs of the op of cached_attention_ops.cc, from any of TensorFlow's
// contexts.
#pragma once

#include <string>
#include <vector>

#include "kernels/cached_attention.h"
#include "tensorflow/core/platform/errors.h"
#include "tf/array.h"

namespace knl {

struct CachedAttentionOptions {
  float scale = 1.0f, soft_cap = 0.0f;
  int window = -1, beams = 1;
  // How many tensors each optional input holds.
  int n_starts = 0, n_ancestors = 0, n_slopes = 0;

  template <typename Context>
  absl::Status Read(Context* context) {
    TF_RETURN_IF_ERROR(context->GetAttr("scale", &scale));
    TF_RETURN_IF_ERROR(context->GetAttr("soft_cap", &soft_cap));
    TF_RETURN_IF_ERROR(context->GetAttr("window", &window));
    TF_RETURN_IF_ERROR(context->GetAttr("beams", &beams));
    TF_RETURN_IF_ERROR(context->GetAttr("n_starts", &n_starts));
    TF_RETURN_IF_ERROR(context->GetAttr("n_ancestors", &n_ancestors));
    return context->GetAttr("n_slopes", &n_slopes);
  }
};

// Where the inputs stand; lists that hold nothing take no place.
struct CachedAttentionPlaces {
  explicit CachedAttentionPlaces(const CachedAttentionOptions& o)
      : ancestors(starts + o.n_starts), slopes(ancestors + o.n_ancestors) {}
  static constexpr int q = 0, k = 1, v = 2, cache = 3, index = 4, starts = 5;
  int ancestors, slopes;
};

// Empty if all is well, or one sentence that says what was wanted and what came. Sizes and
// numbers that are not known yet are such that nothing is refused.
std::string ReadCachedAttention(const CachedAttentionOptions& options,
                                const std::vector<Array>& inputs, CachedAttention* attention);

}  // namespace knl
