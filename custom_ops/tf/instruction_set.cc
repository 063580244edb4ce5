// What Python asks the library beside its ops.
#include "kernels/call.h"

// 0 float32, 1 bfloat16, 2 float16, as Element counts them.
extern "C" __attribute__((visibility("default"))) const char* KnlAttentionInstructionSet(
    int element) {
  return knl::InstructionSet(static_cast<knl::Element>(element));
}
