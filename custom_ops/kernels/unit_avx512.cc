// AVX-512 F, BW, VL and DQ.
#define KNL_UNIT avx512
#define KNL_LANES 16
#include "unit.h"

namespace knl {

Units Avx512Units() {
  using namespace avx512;
  static constexpr Unit float32 = MakeUnit<FloatFormat<Float32>>("avx512");
  static constexpr Unit bfloat16 = MakeUnit<FloatFormat<BFloat16>>("avx512");
  static constexpr Unit float16 = MakeUnit<FloatFormat<Float16>>("avx512");
  return {&float32, &bfloat16, &float16};
}

}  // namespace knl
