// The signatures and shapes of byte-pair encoding; kernels/byte_pair.h tells what they mean.
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/encoding.h"

namespace knl {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// All inputs have one axis, but for merges [R, 3].
absl::Status ModelShapes(InferenceContext* c) {
  ShapeHandle shape;
  for (int i = 0; i < c->num_inputs(); ++i) {
    TF_RETURN_IF_ERROR(c->WithRank(c->input(i), i == 3 ? 2 : 1, &shape));
  }
  c->set_output(0, c->Vector(InferenceContext::kUnknownDim));
  return absl::OkStatus();
}

absl::Status DecodeShapes(InferenceContext* c) {
  ShapeHandle row_splits;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 1, &row_splits));
  auto texts = c->Dim(row_splits, 0);
  TF_RETURN_IF_ERROR(c->Subtract(texts, 1, &texts));
  c->set_output(0, c->Vector(texts));
  return absl::OkStatus();
}

// V tokens, R merges, W tokens that stay whole, N that words become without any merge.
REGISTER_OP("KnlBytePairModel")
    .Input("texts: string")      // [V]
    .Input("ids: int64")         // [V]
    .Input("of_byte: int32")     // [256]
    .Input("merges: int32")      // [R, 3]
    .Input("whole: int32")       // [W]
    .Input("takes_space: bool")  // [W]
    .Input("words: int32")       // [N]
    .Output("model: uint8")      // [bytes]
    .SetShapeFn(ModelShapes);

// N texts, T tokens of all.
REGISTER_OP("KnlBytePairEncode")
    .Input("model: uint8")
    .Input("text: string")                // [N]
    .Output("numbers: int32")             // [T]
    .Output("row_splits: int64")          // [N + 1]
    .Output("places: num_places * int64")  // none, or ends [T] and words [T]
    .Attr("prefix_space: bool")
    .Attr("num_places: int >= 0")
    .Attr("split_pattern: {'gpt2', 'llama3', 'qwen2'} = 'gpt2'")
    .SetShapeFn(EncodeShapes);

REGISTER_OP("KnlBytePairDecode")
    .Input("model: uint8")
    .Input("ids: int64")         // [T]
    .Input("row_splits: int64")  // [N + 1]
    .Output("text: string")      // [N]
    .SetShapeFn(DecodeShapes);

}  // namespace
}  // namespace knl
