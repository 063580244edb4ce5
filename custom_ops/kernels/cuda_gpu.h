// Whether a GPU is served at all.
#pragma once

#include "call.h"
#include "cuda_architectures.h"
#include "cuda_instructions.h"

namespace knl {
namespace cuda {

inline Problem CheckGpu(const Gpu& gpu) {
  if (gpu.problem != nullptr) return Say("There is no GPU that serves: %s.", gpu.problem);
  if (gpu.version < 75) {
    return Say("GPUs are served from compute capability 7.5 on. Received: %d.%d.",
               gpu.version / 10, gpu.version % 10);
  }
  if (!HasCode(gpu.version)) {
    return Say("The library is built for the GPUs %s, and this one is of %d. Try to build it "
               "with KNL_CUDA_ARCHITECTURES=%d-real.",
               kArchitectures, gpu.version, gpu.version);
  }
  return nullptr;
}

}  // namespace cuda
}  // namespace knl
