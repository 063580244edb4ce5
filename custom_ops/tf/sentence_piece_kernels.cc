// SentencePiece on TensorFlow's CPU device.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/sentence_piece.h"
#include "tf/context.h"
#include "tf/encoding.h"
#include "tf/status.h"
#include "tf/strings.h"

namespace knl {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::tstring;

class ModelKernel : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* ctx) override {
    SentencePieceParts parts;
    const tstring& proto = ctx->input(0).scalar<tstring>()();
    OP_REQUIRES_OK(ctx, AsStatus(ReadSentencePieceProto(proto, &parts)));
    std::string model;
    OP_REQUIRES_OK(ctx, AsStatus(MakeSentencePieceModel(parts, &model)));
    OP_REQUIRES_OK(ctx, OutputBytes(ctx, 0, model));
  }
};

class EncodeKernel : public OpKernel {
 public:
  explicit EncodeKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, ReadPlaces(ctx, &options_.places));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("most", &options_.most));
    options_.texts = ctx->output_type(0) == tensorflow::DT_STRING;
  }

  void Compute(OpKernelContext* ctx) override {
    SentencePieceModel model;
    OP_REQUIRES_OK(ctx, ReadModel(ctx, &model));
    const auto texts = Views(ctx->input(1));
    void* row_splits;
    const int64_t num_splits = texts.size() + 1;
    OP_REQUIRES_OK(ctx, Allocate(ctx, 1, TensorShape({num_splits}), &row_splits));
    DeviceWorkers workers(ctx);
    const auto parts = encoders_.Encode(model, texts, options_, workers,
                                        static_cast<int64_t*>(row_splits));
    if (options_.texts) {
      OP_REQUIRES_OK(ctx, OutputTexts(ctx, model, parts));
    } else {
      OP_REQUIRES_OK(ctx, OutputValues(ctx, 0, parts, &SentencePieceTokens::numbers));
    }
    if (!options_.places) return;
    OP_REQUIRES_OK(ctx, OutputValues(ctx, 2, parts, &SentencePieceTokens::starts));
    OP_REQUIRES_OK(ctx, OutputValues(ctx, 3, parts, &SentencePieceTokens::ends));
  }

 private:
  static absl::Status OutputTexts(OpKernelContext* ctx, const SentencePieceModel& model,
                                  const std::vector<SentencePieceTokens>& parts) {
    Tensor* texts = nullptr;
    const TensorShape shape({CountValues(parts, &SentencePieceTokens::numbers)});
    TF_RETURN_IF_ERROR(ctx->allocate_output(0, shape, &texts));
    tstring* at = texts->flat<tstring>().data();
    for (const auto& part : parts) {
      size_t begin = 0, unknown = 0;
      for (int32_t number : part.numbers) {
        std::string_view text = model.Text(number);
        if (number == model.vocabulary().unknown) {
          const size_t end = part.unknown_ends[unknown++];
          text = std::string_view(part.unknown).substr(begin, end - begin);
          begin = end;
        }
        (at++)->assign(text.data(), text.size());
      }
    }
    return absl::OkStatus();
  }

  SentencePieceOptions options_;
  SentencePieceEncoders encoders_;
};

REGISTER_KERNEL_BUILDER(Name("KnlSentencePieceModel").Device(tensorflow::DEVICE_CPU), ModelKernel);
REGISTER_KERNEL_BUILDER(Name("KnlSentencePieceEncode").Device(tensorflow::DEVICE_CPU),
                        EncodeKernel);

}  // namespace
}  // namespace knl
