// What ops that turn texts into tokens share: the shapes of their outputs, and these, out of
// the parts that their workers made.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/context.h"
#include "tf/status.h"

namespace knl {

// From texts [N], input 1, to row_splits [N + 1], output 1; the rest is a vector of all
// tokens, each.
inline absl::Status EncodeShapes(tensorflow::shape_inference::InferenceContext* c) {
  tensorflow::shape_inference::ShapeHandle text;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 1, &text));
  auto row_splits = c->Dim(text, 0);
  TF_RETURN_IF_ERROR(c->Add(row_splits, 1, &row_splits));
  for (int i = 0; i < c->num_outputs(); ++i) {
    c->set_output(i, c->Vector(tensorflow::shape_inference::InferenceContext::kUnknownDim));
  }
  c->set_output(1, c->Vector(row_splits));
  return absl::OkStatus();
}

// The model in input 0, read in place: it points into the input.
template <class Model>
absl::Status ReadModel(tensorflow::OpKernelContext* ctx, Model* model) {
  const tensorflow::Tensor& memory = ctx->input(0);
  return AsStatus(model->Read(memory.data(), memory.NumElements()));
}

// Attribute `num_places`: 2 where a token's places in the text are wanted, else 0.
inline absl::Status ReadPlaces(tensorflow::OpKernelConstruction* ctx, bool* places) {
  int num_places;
  TF_RETURN_IF_ERROR(ctx->GetAttr("num_places", &num_places));
  if (num_places != 0 && num_places != 2) {
    return absl::InvalidArgumentError("`num_places` must be 0 or 2.");
  }
  *places = num_places > 0;
  return absl::OkStatus();
}

// How many values all parts have together.
template <class Part, class T>
int64_t CountValues(const std::vector<Part>& parts, std::vector<T> Part::*values) {
  int64_t count = 0;
  for (const Part& part : parts) count += (part.*values).size();
  return count;
}

// Output i: the values of all parts, one part behind the other.
template <class Part, class T>
absl::Status OutputValues(tensorflow::OpKernelContext* ctx, int i, const std::vector<Part>& parts,
                          std::vector<T> Part::*values) {
  void* output;
  const tensorflow::TensorShape shape({CountValues(parts, values)});
  TF_RETURN_IF_ERROR(Allocate(ctx, i, shape, &output));
  T* at = static_cast<T*>(output);
  for (const Part& part : parts) {
    at = std::copy((part.*values).begin(), (part.*values).end(), at);
  }
  return absl::OkStatus();
}

}  // namespace knl
