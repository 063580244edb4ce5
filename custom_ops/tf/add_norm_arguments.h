// The attributes and inputs of both ops of add_norm_ops.cc, from any of TensorFlow's contexts.
#pragma once

#include <string>
#include <vector>

#include "kernels/add_norm.h"
#include "tensorflow/core/platform/errors.h"
#include "tf/rows.h"

namespace knl {

struct AddNormOptions {
  float epsilon = 1e-5f;
  float dropout = 0.0f;
  // How many tensors each optional input holds. Forward: n_residual, n_bias, n_beta and
  // n_seed. Backward: n_dsum and n_seed; what else is there, the outputs say.
  int n_residual = 0, n_dsum = 0, n_bias = 0, n_beta = 0, n_seed = 0;

  template <typename Context>
  absl::Status Read(Context* context, bool gradient) {
    TF_RETURN_IF_ERROR(context->GetAttr("epsilon", &epsilon));
    TF_RETURN_IF_ERROR(context->GetAttr("dropout", &dropout));
    TF_RETURN_IF_ERROR(context->GetAttr("n_residual", &n_residual));
    TF_RETURN_IF_ERROR(context->GetAttr("n_bias", &n_bias));
    TF_RETURN_IF_ERROR(context->GetAttr("n_beta", &n_beta));
    if (gradient) TF_RETURN_IF_ERROR(context->GetAttr("n_dsum", &n_dsum));
    return context->GetAttr("n_seed", &n_seed);
  }
};

// Where the inputs stand; lists that hold nothing take no place.
struct AddNormPlaces {
  explicit AddNormPlaces(const AddNormOptions& o)
      : residual(1), bias(residual + o.n_residual), gamma(bias + o.n_bias), beta(gamma + 1),
        seed(beta + o.n_beta) {}
  int residual, bias, gamma, beta, seed;  // behind x
};

struct AddNormGradientPlaces {
  explicit AddNormGradientPlaces(const AddNormOptions& o)
      : dsum(1), sum(dsum + o.n_dsum), mean(sum + 1), rstd(mean + 1), gamma(rstd + 1),
        seed(gamma + 1) {}
  int dsum, sum, mean, rstd, gamma, seed;  // behind dy
};

// Empty if all is well, or one sentence that says what was wanted and what came.
std::string ReadAddNorm(const AddNormOptions& options, const std::vector<Array>& inputs,
                        bool gradient, AddNorm* norm);

}  // namespace knl
