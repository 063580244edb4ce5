// The attention ops inside programs that XLA compiles: each becomes a call of the kernel, see
// attention_call.cc. Where the library is built without CUDA there is no such call for GPUs,
// and XLA names the op there as one that it cannot compile.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tf/options.h"
#include "xla/hlo/builder/xla_builder.h"
#include "xla/shape_util.h"

namespace knl {
namespace {

// Attributes cross to the call as an MLIR dictionary.
std::string Dictionary(const Options& o) {
  char text[512];
  // Floats as their bits: exact, and the same in a locale that writes commas.
  const auto bits = [](float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return bits;
  };
  snprintf(text, sizeof(text),
           "{scale = 0x%08X : f32, soft_cap = 0x%08X : f32, dropout = 0x%08X : f32, "
           "window_left = %lld : i64, window_right = %lld : i64, n_splits = %lld : i64, "
           "n_keep = %lld : i64, n_segments = %lld : i64, n_bias = %lld : i64, "
           "n_slopes = %lld : i64, n_seed = %lld : i64}",
           bits(o.scale), bits(o.soft_cap), bits(o.dropout), static_cast<long long>(o.window_left),
           static_cast<long long>(o.window_right), static_cast<long long>(o.n_splits),
           static_cast<long long>(o.n_keep), static_cast<long long>(o.n_segments),
           static_cast<long long>(o.n_bias), static_cast<long long>(o.n_slopes),
           static_cast<long long>(o.n_seed));
  return text;
}

// The kernel reads row-major arrays.
xla::Shape RowMajor(xla::PrimitiveType type, const std::vector<int64_t>& sizes) {
  return xla::ShapeUtil::MakeShapeWithDescendingLayout(type, sizes);
}

class AttentionLowering : public tensorflow::XlaOpKernel {
 public:
  explicit AttentionLowering(tensorflow::OpKernelConstruction* ctx) : XlaOpKernel(ctx) {
    OP_REQUIRES_OK(ctx, ReadOptions(ctx, &options_));
  }

  void Compile(tensorflow::XlaOpKernelContext* ctx) override {
    std::vector<xla::XlaOp> operands;
    std::vector<xla::Shape> shapes;
    std::vector<Array> inputs;
    for (int i = 0; i < ctx->num_inputs(); ++i) {
      const absl::StatusOr<xla::Shape> shape = ctx->InputXlaShape(i);
      OP_REQUIRES_OK(ctx, shape.status());
      const auto sizes = shape->dimensions();
      inputs.push_back({nullptr, true, {sizes.begin(), sizes.end()}});
      operands.push_back(ctx->Input(i));
      shapes.push_back(RowMajor(ctx->input_xla_type(i), inputs.back().sizes));
    }
    Attention attention;
    OP_REQUIRES_OK(ctx, AsStatus(ReadArguments(options_, inputs, &attention)));

    const Places at(options_);
    const bool gradient = ctx->num_inputs() > at.gradient;
    std::vector<xla::Shape> results;
    if (gradient) {
      results = {shapes[0], shapes[1], shapes[2]};
      if (options_.n_bias > 0) results.push_back(shapes[at.bias]);
    } else {
      std::vector<int64_t> sizes = inputs[0].sizes;
      sizes.pop_back();
      results = {shapes[0], RowMajor(xla::F32, sizes)};
    }
    const xla::XlaOp call = xla::CustomCallWithLayout(
        ctx->builder(), gradient ? "knl_attention_grad" : "knl_attention", operands,
        xla::ShapeUtil::MakeTupleShape(results), shapes, Dictionary(options_),
        /*has_side_effect=*/false, /*output_operand_aliasing=*/{}, /*literal=*/nullptr,
        xla::CustomCallSchedule::SCHEDULE_NONE,
        xla::CustomCallApiVersion::API_VERSION_TYPED_FFI);
    for (size_t i = 0; i < results.size(); ++i) {
      ctx->SetOutput(i, xla::GetTupleElement(call, i));
    }
  }

 private:
  Options options_;
};

// Registered as kernels of XLA's compilers themselves: REGISTER_XLA_OP's registry is read
// once, when a process compiles its first program, and ops loaded later would be missing.
REGISTER_KERNEL_BUILDER(Name("KnlAttention").Device(tensorflow::DEVICE_CPU_XLA_JIT),
                        AttentionLowering);
REGISTER_KERNEL_BUILDER(Name("KnlAttentionGrad").Device(tensorflow::DEVICE_CPU_XLA_JIT),
                        AttentionLowering);
#ifdef KNL_WITH_CUDA
REGISTER_KERNEL_BUILDER(Name("KnlAttention").Device(tensorflow::DEVICE_GPU_XLA_JIT),
                        AttentionLowering);
REGISTER_KERNEL_BUILDER(Name("KnlAttentionGrad").Device(tensorflow::DEVICE_GPU_XLA_JIT),
                        AttentionLowering);
#endif

}  // namespace
}  // namespace knl
