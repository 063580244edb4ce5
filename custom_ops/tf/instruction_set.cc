// What Python asks the library beside its ops.
#include <cstdint>

#include "kernels/call.h"
#ifdef KNL_WITH_CUDA
#include "kernels/attention_cuda.h"
#endif

// 0 float32, 1 bfloat16, 2 float16, as Element counts them.
extern "C" __attribute__((visibility("default"))) const char* KnlAttentionInstructionSet(
    int element) {
  return knl::InstructionSet(static_cast<knl::Element>(element));
}

// What serves attention of such heads on a GPU, as CUDA counts them, or on the current one if
// that is -1; or null, and *why is a sentence, or null as well where the ops are built without
// CUDA.
extern "C" __attribute__((visibility("default"))) const char* KnlGpuImplementation(
    int element, int64_t width, int plain, int gpu, const char** why) {
#ifdef KNL_WITH_CUDA
  return knl::CudaImplementation(static_cast<knl::Element>(element), width, why, plain != 0, gpu);
#else
  return *why = nullptr;
#endif
}
