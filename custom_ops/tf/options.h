// Reads the ops' attributes from any of TensorFlow's contexts that has them.
#pragma once

#include "tensorflow/core/framework/types.pb.h"
#include "tf/arguments.h"
#include "tf/status.h"

namespace knl {

template <typename Context>
absl::Status ReadOptions(Context* context, Options* options) {
  const auto read = [context](const char* name, auto* value) {
    return context->GetAttr(name, value);
  };
  TF_RETURN_IF_ERROR(read("scale", &options->scale));
  TF_RETURN_IF_ERROR(read("soft_cap", &options->soft_cap));
  TF_RETURN_IF_ERROR(read("dropout", &options->dropout));
  TF_RETURN_IF_ERROR(read("window_left", &options->window_left));
  TF_RETURN_IF_ERROR(read("window_right", &options->window_right));
  TF_RETURN_IF_ERROR(read("n_splits", &options->n_splits));
  TF_RETURN_IF_ERROR(read("n_keep", &options->n_keep));
  TF_RETURN_IF_ERROR(read("n_segments", &options->n_segments));
  TF_RETURN_IF_ERROR(read("n_bias", &options->n_bias));
  TF_RETURN_IF_ERROR(read("n_slopes", &options->n_slopes));
  return read("n_seed", &options->n_seed);
}

}  // namespace knl
