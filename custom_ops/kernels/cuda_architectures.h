// For which GPUs the library has code.
#pragma once

#include <cstdlib>
#include <cstring>

namespace knl {
namespace cuda {

// What CMake was told, "80-real:90a-real:80-virtual" say; null where threads are emulated.
#ifdef KNL_CUDA_ARCHITECTURES
constexpr const char* kArchitectures = KNL_CUDA_ARCHITECTURES;
#else
constexpr const char* kArchitectures = nullptr;
#endif

// Whether a GPU of this version, 86 for sm_86, runs any of it. Machine code serves later
// GPUs of the same generation, and virtual code all later ones; a letter, that one GPU.
inline bool HasCode(int version, const char* architectures = kArchitectures) {
  if (architectures == nullptr) return true;
  for (const char* at = architectures; *at != 0; at += *at == ':') {
    char* rest = nullptr;
    const int made_for = static_cast<int>(std::strtol(at, &rest, 10));
    const size_t length = std::strcspn(rest, ":");
    const bool letter = length > 0 && *rest != '-';
    const char* kind = rest + letter;
    const bool real = std::strncmp(kind, "-virtual", 8) != 0;
    const bool intermediate = std::strncmp(kind, "-real", 5) != 0;
    if (letter ? version == made_for
               : version >= made_for && (intermediate || (real && version / 10 == made_for / 10))) {
      return true;
    }
    at = rest + length;
  }
  return false;
}

// Whether a GPU runs kernels of Hopper's own instructions.
inline bool IsHopper(int version, const char* architectures = kArchitectures) {
  return version == 90 &&
         (architectures == nullptr || std::strstr(architectures, "90a") != nullptr);
}

}  // namespace cuda
}  // namespace knl
