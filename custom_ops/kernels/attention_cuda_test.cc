// Holds attention on NVIDIA GPUs to the plain formula without one: threads are emulated, one
// after the other. bench/attention_cuda.cc checks the same, and more, on a GPU.
//
//   attention_cuda_test [--cases N]   N random cases; some other groups shrink with a small N
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "attention_cuda_check.h"
#include "cuda_instructions.h"

int main(int count, char** arguments) {
  knl::CheckSize size;
  size.random_cases = 60;
  size.full = false;
  if (count == 3 && std::string(arguments[1]) == "--cases") {
    size.random_cases = std::max(1, std::atoi(arguments[2]));
  } else if (count != 1) {
    std::fprintf(stderr, "usage: %s [--cases N]\n", arguments[0]);
    return 2;
  }
  // Ampere; Hopper, with instructions of its own; Turing, with less of most things.
  const struct { int version, shared_kib, share; } kDevices[] = {
      {80, 163, 1}, {90, 227, 3}, {75, 64, 6}};
  int failures = 0;
  for (const auto& device : kDevices) {
    knl::cuda::Gpu::Version() = device.version;
    knl::cuda::Gpu::SharedBytes() = device.shared_kib * 1024;
    knl::CheckSize of_device = size;
    of_device.random_cases = std::max(1, size.random_cases / device.share);
    failures += knl::CheckAll(of_device);
  }
  return failures > 0;
}
