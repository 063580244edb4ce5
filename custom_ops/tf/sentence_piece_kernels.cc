// SentencePiece on TensorFlow's CPU device.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/sentence_piece.h"
#include "tf/context.h"
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
    int num_places;
    OP_REQUIRES_OK(ctx, ctx->GetAttr("num_places", &num_places));
    OP_REQUIRES(ctx, num_places == 0 || num_places == 2,
                absl::InvalidArgumentError("`num_places` must be 0 or 2."));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("most", &options_.most));
    options_.places = num_places > 0;
    options_.texts = ctx->output_type(0) == tensorflow::DT_STRING;
  }

  void Compute(OpKernelContext* ctx) override {
    SentencePieceModel model;
    const Tensor& memory = ctx->input(0);
    OP_REQUIRES_OK(ctx, AsStatus(model.Read(memory.data(), memory.NumElements())));
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
      OP_REQUIRES_OK(ctx, Join(ctx, 0, parts, &SentencePieceTokens::numbers));
    }
    if (!options_.places) return;
    OP_REQUIRES_OK(ctx, Join(ctx, 2, parts, &SentencePieceTokens::starts));
    OP_REQUIRES_OK(ctx, Join(ctx, 3, parts, &SentencePieceTokens::ends));
  }

 private:
  using Parts = std::vector<SentencePieceTokens>;

  template <class T>
  static int64_t Size(const Parts& parts, std::vector<T> SentencePieceTokens::*values) {
    int64_t size = 0;
    for (const auto& part : parts) size += (part.*values).size();
    return size;
  }

  template <class T>
  static absl::Status Join(OpKernelContext* ctx, int output, const Parts& parts,
                           std::vector<T> SentencePieceTokens::*values) {
    void* data;
    TF_RETURN_IF_ERROR(Allocate(ctx, output, TensorShape({Size(parts, values)}), &data));
    T* at = static_cast<T*>(data);
    for (const auto& part : parts) at = std::copy((part.*values).begin(), (part.*values).end(), at);
    return absl::OkStatus();
  }

  static absl::Status OutputTexts(OpKernelContext* ctx, const SentencePieceModel& model,
                                  const Parts& parts) {
    Tensor* texts = nullptr;
    const TensorShape shape({Size(parts, &SentencePieceTokens::numbers)});
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
