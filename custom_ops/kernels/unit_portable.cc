// What every machine of this architecture runs.
#define KNL_UNIT portable
#define KNL_LANES 4
#include "unit.h"

namespace knl {

Units PortableUnits() {
  using namespace portable;
  static constexpr Unit float32 = MakeUnit<FloatFormat<Float32>>("portable");
  static constexpr Unit bfloat16 = MakeUnit<FloatFormat<BFloat16>>("portable");
  static constexpr Unit float16 = MakeUnit<FloatFormat<Float16>>("portable");
  return {&float32, &bfloat16, &float16};
}

}  // namespace knl
