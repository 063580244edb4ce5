// The residual sum with its norm on TensorFlow's CPU device.
#include "tf/add_norm_arguments.h"
#include "tf/context.h"
#include "tf/status.h"

namespace knl {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::TensorShape;

template <bool kGradient>
class AddNormKernel : public OpKernel {
 public:
  explicit AddNormKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, options_.Read(ctx, kGradient));
  }

 protected:
  absl::Status Unpack(OpKernelContext* ctx, AddNorm* norm) const {
    norm->element = ElementOf(ctx->input_dtype(0));
    return AsStatus(ReadAddNorm(options_, ArraysOf(ctx), kGradient, norm));
  }
  static const float* Floats(OpKernelContext* ctx, int i) {
    return static_cast<const float*>(In(ctx, i));
  }
  static absl::Status AllocateFloats(OpKernelContext* ctx, int i, const TensorShape& shape,
                                     float** data) {
    void* memory;
    TF_RETURN_IF_ERROR(Allocate(ctx, i, shape, &memory));
    *data = static_cast<float*>(memory);
    return absl::OkStatus();
  }

  AddNormOptions options_;
};

class ForwardKernel : public AddNormKernel<false> {
 public:
  using AddNormKernel::AddNormKernel;

  void Compute(OpKernelContext* ctx) override {
    AddNorm norm;
    OP_REQUIRES_OK(ctx, Unpack(ctx, &norm));
    const AddNormOptions& o = options_;
    const AddNormPlaces at(o);
    AddNormArrays a = {};
    a.x = In(ctx, 0);
    a.gamma = Floats(ctx, at.gamma);
    if (o.n_residual > 0) a.residual = In(ctx, at.residual);
    if (o.n_bias > 0) a.bias = Floats(ctx, at.bias);
    if (o.n_beta > 0) a.beta = Floats(ctx, at.beta);

    TensorShape shape = ctx->input(0).shape();
    const int residual = o.n_residual > 0 ? at.residual : 0;
    if (o.n_residual + o.n_bias > 0 || o.dropout > 0.0f) {
      OP_REQUIRES_OK(ctx, Allocate(ctx, 1, shape, &a.sum, {0, residual}));
      OP_REQUIRES_OK(ctx, Allocate(ctx, 0, shape, &a.y, {0, residual}));
    } else {
      ctx->set_output(1, ctx->input(0));
      OP_REQUIRES_OK(ctx, Allocate(ctx, 0, shape, &a.y));
    }
    shape.RemoveLastDims(1);
    OP_REQUIRES_OK(ctx, AllocateFloats(ctx, 2, shape, &a.mean));
    OP_REQUIRES_OK(ctx, AllocateFloats(ctx, 3, shape, &a.rstd));
    DeviceWorkers workers(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(AddNormForward(norm, a, workers)));
  }
};

class BackwardKernel : public AddNormKernel<true> {
 public:
  using AddNormKernel::AddNormKernel;

  void Compute(OpKernelContext* ctx) override {
    AddNorm norm;
    OP_REQUIRES_OK(ctx, Unpack(ctx, &norm));
    const AddNormOptions& o = options_;
    const AddNormGradientPlaces at(o);
    AddNormGradient a = {};
    a.dy = In(ctx, 0);
    if (o.n_dsum > 0) a.dsum = In(ctx, at.dsum);
    a.sum = In(ctx, at.sum);
    a.mean = Floats(ctx, at.mean);
    a.rstd = Floats(ctx, at.rstd);
    a.gamma = Floats(ctx, at.gamma);

    const TensorShape shape = ctx->input(0).shape(), width = ctx->input(at.gamma).shape();
    const int dsum = o.n_dsum > 0 ? at.dsum : 0;
    int i = 0;
    OP_REQUIRES_OK(ctx, Allocate(ctx, i++, shape, &a.dx, {0, dsum, at.sum}));
    if (o.n_residual > 0) {
      OP_REQUIRES_OK(ctx, Allocate(ctx, i++, shape, &a.dresidual, {0, dsum, at.sum}));
    }
    if (o.n_bias > 0) OP_REQUIRES_OK(ctx, AllocateFloats(ctx, i++, width, &a.dbias));
    OP_REQUIRES_OK(ctx, AllocateFloats(ctx, i++, width, &a.dgamma));
    if (o.n_beta > 0) OP_REQUIRES_OK(ctx, AllocateFloats(ctx, i++, width, &a.dbeta));
    DeviceWorkers workers(ctx);
    OP_REQUIRES_OK(ctx, AsStatus(AddNormBackward(norm, a, workers)));
  }
};

REGISTER_KERNEL_BUILDER(Name("KnlAddNorm").Device(tensorflow::DEVICE_CPU), ForwardKernel);
REGISTER_KERNEL_BUILDER(Name("KnlAddNormGrad").Device(tensorflow::DEVICE_CPU),
                        BackwardKernel);

}  // namespace
}  // namespace knl
