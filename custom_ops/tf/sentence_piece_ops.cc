// The signatures and shapes of SentencePiece; kernels/sentence_piece.h tells what they mean.
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/encoding.h"

namespace knl {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status ModelShapes(InferenceContext* c) {
  ShapeHandle shape;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 0, &shape));
  c->set_output(0, c->Vector(InferenceContext::kUnknownDim));
  return absl::OkStatus();
}

// `proto` is a model file.
REGISTER_OP("KnlSentencePieceModel")
    .Input("proto: string")  // []
    .Output("model: uint8")  // [bytes]
    .SetShapeFn(ModelShapes);

// N texts, C tokens of all: numbers, or the pieces themselves. Behind `most` tokens of a text,
// if that is not 0, there may be any number of its others.
REGISTER_OP("KnlSentencePieceEncode")
    .Input("model: uint8")
    .Input("text: string")                 // [N]
    .Output("tokens: T")                   // [C]
    .Output("row_splits: int64")           // [N + 1]
    .Output("places: num_places * int64")  // none, or starts [C] and ends [C]
    .Attr("T: {int32, string}")
    .Attr("most: int >= 0")
    .Attr("num_places: int >= 0")
    .SetShapeFn(EncodeShapes);

}  // namespace
}  // namespace knl
