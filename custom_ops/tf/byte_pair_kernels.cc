// Byte-pair encoding on TensorFlow's CPU device.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/byte_pair.h"
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
    const int64_t num_tokens = ctx->input(0).NumElements();
    const int64_t num_merges = ctx->input(3).NumElements() / 3;
    const int64_t num_whole = ctx->input(4).NumElements();
    const bool fits = ctx->input(1).NumElements() == num_tokens &&
                      ctx->input(2).NumElements() == 256 &&
                      ctx->input(3).NumElements() == 3 * num_merges &&
                      ctx->input(5).NumElements() == num_whole;
    OP_REQUIRES(ctx, fits, absl::InvalidArgumentError("The parts of a model must fit."));
    const std::vector<uint8_t> takes_space(ctx->input(5).flat<bool>().data(),
                                           ctx->input(5).flat<bool>().data() + num_whole);
    const BytePairParts parts = {Views(ctx->input(0)),
                                 ctx->input(1).flat<int64_t>().data(),
                                 ctx->input(2).flat<int32_t>().data(),
                                 ctx->input(3).flat<int32_t>().data(),
                                 num_merges,
                                 ctx->input(4).flat<int32_t>().data(),
                                 takes_space.data(),
                                 num_whole,
                                 ctx->input(6).flat<int32_t>().data(),
                                 ctx->input(6).NumElements()};
    std::string model;
    OP_REQUIRES_OK(ctx, AsStatus(MakeBytePairModel(parts, &model)));
    OP_REQUIRES_OK(ctx, OutputBytes(ctx, 0, model));
  }
};

class EncodeKernel : public OpKernel {
 public:
  explicit EncodeKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    std::string pattern;
    OP_REQUIRES_OK(ctx, ctx->GetAttr("split_pattern", &pattern));
    options_.pattern = pattern == "llama3"  ? WordPattern::kLlama3
                       : pattern == "qwen2" ? WordPattern::kQwen2
                                            : WordPattern::kGpt2;
    OP_REQUIRES_OK(ctx, ctx->GetAttr("prefix_space", &options_.prefix_space));
    OP_REQUIRES_OK(ctx, ReadPlaces(ctx, &options_.places));
  }

  void Compute(OpKernelContext* ctx) override {
    BytePairModel model;
    OP_REQUIRES_OK(ctx, ReadModel(ctx, &model));
    const auto texts = Views(ctx->input(1));
    void* row_splits;
    const int64_t num_splits = texts.size() + 1;
    OP_REQUIRES_OK(ctx, Allocate(ctx, 1, TensorShape({num_splits}), &row_splits));
    DeviceWorkers workers(ctx);
    const auto parts = encoders_.Encode(model, texts, options_, workers,
                                        static_cast<int64_t*>(row_splits));
    OP_REQUIRES_OK(ctx, OutputValues(ctx, 0, parts, &BytePairTokens::numbers));
    if (!options_.places) return;
    OP_REQUIRES_OK(ctx, OutputValues(ctx, 2, parts, &BytePairTokens::ends));
    OP_REQUIRES_OK(ctx, OutputValues(ctx, 3, parts, &BytePairTokens::words));
  }

 private:
  BytePairOptions options_;
  BytePairEncoders encoders_;
};

class DecodeKernel : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* ctx) override {
    BytePairModel model;
    OP_REQUIRES_OK(ctx, ReadModel(ctx, &model));
    const auto ids = ctx->input(1).flat<int64_t>();
    const auto row_splits = ctx->input(2).flat<int64_t>();
    OP_REQUIRES(ctx, row_splits.size() > 0 && row_splits(0) == 0 &&
                         row_splits(row_splits.size() - 1) == ids.size() &&
                         std::is_sorted(row_splits.data(), row_splits.data() + row_splits.size()),
                absl::InvalidArgumentError("`row_splits` must rise from 0 to all ids."));
    Tensor* text = nullptr;
    OP_REQUIRES_OK(ctx, ctx->allocate_output(0, TensorShape({row_splits.size() - 1}), &text));
    for (int64_t i = 0; i + 1 < row_splits.size(); ++i) {
      text->flat<tstring>()(i) = BytePairDecode(model, ids.data() + row_splits(i),
                                                row_splits(i + 1) - row_splits(i));
    }
  }
};

REGISTER_KERNEL_BUILDER(Name("KnlBytePairModel").Device(tensorflow::DEVICE_CPU), ModelKernel);
REGISTER_KERNEL_BUILDER(Name("KnlBytePairEncode").Device(tensorflow::DEVICE_CPU), EncodeKernel);
REGISTER_KERNEL_BUILDER(Name("KnlBytePairDecode").Device(tensorflow::DEVICE_CPU), DecodeKernel);

}  // namespace
}  // namespace knl
