// Bags of n-grams on TensorFlow's CPU device.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/n_gram_bag.h"
#include "tf/context.h"
#include "tf/encoding.h"
#include "tf/status.h"
#include "tf/strings.h"

namespace knl {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::TensorShape;

class ModelKernel : public OpKernel {
 public:
  explicit ModelKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("num_columns", &num_columns_));
  }

  void Compute(OpKernelContext* ctx) override {
    const int64_t num_keys = ctx->input(1).NumElements();
    const NGramParts parts = {Views(ctx->input(0)), ctx->input(1).flat<int64_t>().data(), num_keys,
                              ctx->input(2).flat<int64_t>().data(), num_columns_};
    const int64_t num_nodes = parts.words.size() + num_keys;
    OP_REQUIRES(ctx, ctx->input(2).NumElements() == num_nodes,
                absl::InvalidArgumentError("Each node must have a column."));
    std::string model;
    OP_REQUIRES_OK(ctx, AsStatus(MakeNGramModel(parts, &model)));
    OP_REQUIRES_OK(ctx, OutputBytes(ctx, 0, model));
  }

 private:
  int64_t num_columns_;
};

class BagKernel : public OpKernel {
 public:
  explicit BagKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("sizes", &options_.sizes));
    const bool rising = std::is_sorted(options_.sizes.begin(), options_.sizes.end());
    OP_REQUIRES(ctx, rising && options_.sizes.front() > 0,
                absl::InvalidArgumentError("`sizes` must rise, from at least 1."));
  }

 protected:
  // Parts of bags as the indices and values of a sparse matrix.
  static absl::Status Output(OpKernelContext* ctx, const std::vector<NGramRows>& parts,
                             const std::vector<int64_t>& row_splits) {
    void *indices, *counts;
    const int64_t size = row_splits.back();
    TF_RETURN_IF_ERROR(Allocate(ctx, 0, TensorShape({size, 2}), &indices));
    TF_RETURN_IF_ERROR(Allocate(ctx, 1, TensorShape({size}), &counts));
    auto* index = static_cast<int64_t*>(indices);
    auto* count = static_cast<float*>(counts);
    size_t row = 0;
    int64_t at = 0;
    for (const NGramRows& part : parts) {
      count = std::copy(part.counts.begin(), part.counts.end(), count);
      for (int64_t column : part.columns) {
        while (at == row_splits[row + 1]) ++row;
        *index++ = row;
        *index++ = column;
        ++at;
      }
    }
    return absl::OkStatus();
  }

  NGramOptions options_;
};

class TextKernel : public BagKernel {
 public:
  explicit TextKernel(OpKernelConstruction* ctx) : BagKernel(ctx) {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("lower", &options_.lower));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("strip", &options_.strip));
  }

  void Compute(OpKernelContext* ctx) override {
    NGramModel model;
    OP_REQUIRES_OK(ctx, ReadModel(ctx, &model));
    const auto texts = Views(ctx->input(1));
    std::vector<int64_t> row_splits(texts.size() + 1);
    DeviceWorkers workers(ctx);
    const auto parts = NGramBags(model, options_, texts, workers, row_splits.data());
    OP_REQUIRES_OK(ctx, Output(ctx, parts, row_splits));
  }
};

class NumberedKernel : public BagKernel {
 public:
  using BagKernel::BagKernel;

  void Compute(OpKernelContext* ctx) override {
    NGramModel model;
    OP_REQUIRES_OK(ctx, ReadModel(ctx, &model));
    const auto splits = ctx->input(2).flat<int64_t>();
    OP_REQUIRES(ctx, splits.size() > 0 && splits(0) == 0 &&
                         splits(splits.size() - 1) == ctx->input(1).NumElements() &&
                         std::is_sorted(splits.data(), splits.data() + splits.size()),
                absl::InvalidArgumentError("`row_splits` must rise from 0 to all tokens."));
    const NumberedTexts texts = {ctx->input(1).flat<int32_t>().data(), splits.data(),
                                 splits.size() - 1, ctx->input(3).flat<int64_t>().data(),
                                 ctx->input(3).NumElements()};
    std::vector<int64_t> row_splits(splits.size());
    std::vector<NGramRows> parts;
    DeviceWorkers workers(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(NGramBags(model, options_, texts, workers, &parts,
                                           row_splits.data())));
    OP_REQUIRES_OK(ctx, Output(ctx, parts, row_splits));
  }
};

REGISTER_KERNEL_BUILDER(Name("KnlNGramModel").Device(tensorflow::DEVICE_CPU), ModelKernel);
REGISTER_KERNEL_BUILDER(Name("KnlNGramBag").Device(tensorflow::DEVICE_CPU), TextKernel);
REGISTER_KERNEL_BUILDER(Name("KnlNumberedNGramBag").Device(tensorflow::DEVICE_CPU),
                        NumberedKernel);

}  // namespace
}  // namespace knl
