// Holds attention on NVIDIA GPUs to the plain formula without one: threads are emulated, one
// after the other. bench/attention_cuda.cc checks the same, and more, on a GPU.
//
//   attention_cuda_test [--cases N]   N random cases; some other groups shrink with a small N
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "attention_cuda_check.h"

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
  return knl::CheckAll(size) > 0;
}
