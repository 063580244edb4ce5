// AVX-512 with products of bfloat16 pairs.
#define KNL_UNIT avx512_bf16
#define KNL_LANES 16
#include "unit.h"

namespace knl {

Units Avx512BFloat16Units() {
  using namespace avx512_bf16;
  static constexpr Unit bfloat16 = MakeUnit<PairFormat>("avx512_bf16");
  return {nullptr, &bfloat16, nullptr};
}

}  // namespace knl
