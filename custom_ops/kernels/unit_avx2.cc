// AVX2, FMA and F16C.
#define KNL_UNIT avx2
#define KNL_LANES 8
#include "unit.h"

namespace knl {

Units Avx2Units() {
  using namespace avx2;
  static constexpr Unit float32 = MakeUnit<FloatFormat<Float32>>("avx2");
  static constexpr Unit bfloat16 = MakeUnit<FloatFormat<BFloat16>>("avx2");
  static constexpr Unit float16 = MakeUnit<FloatFormat<Float16>>("avx2");
  return {&float32, &bfloat16, &float16};
}

}  // namespace knl
