// The signatures and shapes of bags of n-grams; kernels/n_gram_bag.h tells what they mean.
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace knl {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status ModelShapes(InferenceContext* c) {
  ShapeHandle shape;
  for (int i = 0; i < c->num_inputs(); ++i) {
    TF_RETURN_IF_ERROR(c->WithRank(c->input(i), 1, &shape));
  }
  c->set_output(0, c->Vector(InferenceContext::kUnknownDim));
  return absl::OkStatus();
}

absl::Status BagShapes(InferenceContext* c) {
  c->set_output(0, c->Matrix(InferenceContext::kUnknownDim, 2));
  c->set_output(1, c->Vector(InferenceContext::kUnknownDim));
  return absl::OkStatus();
}

// W words, K longer n-grams.
REGISTER_OP("KnlNGramModel")
    .Input("words: string")   // [W]
    .Input("keys: int64")     // [K]
    .Input("columns: int64")  // [W + K]
    .Output("model: uint8")   // [bytes]
    .Attr("num_columns: int >= 0")
    .SetShapeFn(ModelShapes);

// N texts; the bags as the indices and values of a sparse [N, V], in order.
REGISTER_OP("KnlNGramBag")
    .Input("model: uint8")
    .Input("text: string")     // [N]
    .Output("indices: int64")  // [nonzero, 2]
    .Output("counts: float")   // [nonzero]
    .Attr("lower: bool")
    .Attr("strip: bool")
    .Attr("sizes: list(int) >= 1")
    .SetShapeFn(BagShapes);

REGISTER_OP("KnlNumberedNGramBag")
    .Input("model: uint8")
    .Input("tokens: int32")           // [T]
    .Input("row_splits: int64")       // [N + 1]
    .Input("words_of_corpus: int64")  // [corpus words]
    .Output("indices: int64")
    .Output("counts: float")
    .Attr("sizes: list(int) >= 1")
    .SetShapeFn(BagShapes);

}  // namespace
}  // namespace knl
