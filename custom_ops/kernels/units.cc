// Which code runs.
#include "units.h"

#include <cstdlib>
#include <cstring>

namespace knl {
namespace {

#if defined(KNL_HAVE_AVX512)
bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif

struct Choice {
  const char* name;
  bool (*here)();
  Units (*units)();
};

// From the widest to the narrowest.
const Choice kChoices[] = {
#if defined(KNL_HAVE_AVX512_BF16)
    {"avx512_bf16",
     [] {
       return HasAvx512() && __builtin_cpu_supports("avx512bf16") &&
              __builtin_cpu_supports("avx512vnni");
     },
     Avx512BFloat16Units},
#endif
#if defined(KNL_HAVE_AVX512)
    {"avx512", HasAvx512,
     Avx512Units},
#endif
#if defined(KNL_HAVE_AVX2)
    {"avx2",
     [] {
       return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("f16c");
     },
     Avx2Units},
#endif
    {"portable", [] { return true; }, PortableUnits},
};

}  // namespace

const Unit& UnitFor(Element element) {
  const char* wanted = std::getenv("KNL_INSTRUCTION_SET");
  const auto find = [&](const char* from) -> const Unit* {
    bool passed = from == nullptr;  // sets wider than the one asked for are passed over
    for (const Choice& set : kChoices) {
      passed = passed || std::strcmp(from, set.name) == 0;
      if (!passed || !set.here()) continue;
      const Units units = set.units();
      const Unit* unit = element == Element::kFloat32    ? units.float32
                         : element == Element::kBFloat16 ? units.bfloat16
                                                         : units.float16;
      if (unit != nullptr) return unit;
    }
    return nullptr;
  };
  const Unit* unit = wanted == nullptr ? nullptr : find(wanted);
  return unit != nullptr ? *unit : *find(nullptr);  // portable has every type
}

const char* InstructionSet(Element element) { return UnitFor(element).name; }

}  // namespace knl
