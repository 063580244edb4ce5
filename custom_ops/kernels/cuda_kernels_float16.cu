#include "cuda_launch.h"

template struct knl::cuda::Kernels<knl::cuda::Float16>;
