// A GPU's memory and streams, for tests and benchmarks; with KNL_CUDA_EMULATED, this
// processor's. What fails ends the program with CUDA's words for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "attention_cuda.h"
#include "testing.h"

#ifndef KNL_CUDA_EMULATED
#include <cuda_runtime_api.h>
#endif

namespace knl {
namespace {
namespace gpu {

// ---- What CUDA and its emulation do in different ways ----

// What the program was at, told if it has to end.
inline std::string& Doing() {
  static std::string doing = "starting";
  return doing;
}

#ifdef KNL_CUDA_EMULATED

using Stream = CUstream_st*;

inline void* Allocate(size_t bytes) {
  return std::aligned_alloc(256, (bytes + 255) / 256 * 256);
}
inline void Free(void* memory) { std::free(memory); }
inline void Fill(void* to, int byte, size_t bytes) { std::memset(to, byte, bytes); }
inline void Upload(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
inline void Download(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
inline void Synchronize() {}
inline Stream NewStream() { return nullptr; }

#else

using Stream = cudaStream_t;

inline void Must(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::printf("FAILED CUDA could not %s: %s (%s). It was at: %s\n", what,
              cudaGetErrorString(error), cudaGetErrorName(error), Doing().c_str());
  std::fflush(stdout);
  std::_Exit(1);  // after an error of a kernel, nothing on the device works
}

// Null if there is none.
inline void* Allocate(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error != cudaErrorMemoryAllocation) Must(error, "allocate memory");
  if (error != cudaSuccess) cudaGetLastError();  // else the next launch would tell it
  return error == cudaSuccess ? memory : nullptr;
}
inline void Free(void* memory) { Must(cudaFree(memory), "free memory"); }
inline void Fill(void* to, int byte, size_t bytes) {
  Must(cudaMemset(to, byte, bytes), "fill memory");
}
inline void Upload(void* to, const void* from, size_t bytes) {
  Must(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "copy to the device");
}
inline void Download(void* to, const void* from, size_t bytes) {
  Must(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "copy from the device");
}
inline void Synchronize() { Must(cudaDeviceSynchronize(), "finish its work"); }
// One that does not wait for the default stream: work put there by mistake comes too late.
inline Stream NewStream() {
  cudaStream_t stream = nullptr;
  Must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "make a stream");
  return stream;
}

#endif

// ---- Arrays that show what happens outside of them ----

// Memory of the device between two zones of ones, which as floats of any type are NaN. All of
// it begins as ones.
class Guarded {
 public:
  // `off` bytes behind an address that is a multiple of 256.
  explicit Guarded(size_t size, size_t off = 0)
      : size_(size), begin_(kGuard + off), all_(static_cast<uint8_t*>(Allocate(bytes()))) {
    if (all_ != nullptr) Fill(all_, 0xff, bytes());
  }
  Guarded(Guarded&& other) : size_(other.size_), begin_(other.begin_), all_(other.all_) {
    other.all_ = nullptr;
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    if (all_ != nullptr) Free(all_);
  }

  void* data() const { return all_ == nullptr ? nullptr : all_ + begin_; }

  bool IntactAround() const {
    if (all_ == nullptr) return true;
    const size_t ends[][2] = {{0, begin_}, {begin_ + size_, bytes()}};
    for (const auto& [from, to] : ends) {
      zone_.resize(to - from);
      Download(zone_.data(), all_ + from, to - from);
      for (uint8_t byte : zone_) {
        if (byte != 0xff) return false;
      }
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 32 * 1024;
  size_t bytes() const { return begin_ + size_ + kGuard; }
  static inline std::vector<uint8_t> zone_;
  size_t size_, begin_;
  uint8_t* all_;
};

// A copy of an array on the device; an empty array is null.
class Copy {
 public:
  explicit Copy(const Array& array, size_t off = 0) : array_(array), memory_(array.size(), off) {
    if (memory_.data() == nullptr) {
      std::printf("FAILED the device has no memory for %zu bytes. It was at: %s\n",
                  array.size(), Doing().c_str());
      std::_Exit(1);
    }
    if (array.size() > 0) Upload(memory_.data(), array.data(), array.size());
  }
  template <class T = void>
  T* data() const {
    return array_.size() == 0 ? nullptr : static_cast<T*>(memory_.data());
  }
  // As it is now.
  Array Downloaded() const {
    Array array(array_.size());
    if (array.size() > 0) Download(array.data(), memory_.data(), array.size());
    return array;
  }
  bool IntactAround() const { return memory_.IntactAround(); }
  bool Intact() const { return IntactAround() && Downloaded() == array_; }

 private:
  Array array_;
  Guarded memory_;
};

// A stream of its own, and scratch that is guarded and begins as NaN.
class TestDevice : public CudaDevice {
 public:
  explicit TestDevice(int allocations = 1000) : allocations_(allocations) {}
  CUstream_st* stream() const override {
    static const Stream stream = NewStream();
    return stream;
  }
  void* Scratch(size_t bytes) override {
    if (allocations_-- <= 0) return nullptr;
    scratch_.emplace_back(bytes);
    Synchronize();  // its ones may not come after the kernels' numbers
    return scratch_.back().data();
  }
  bool IntactAround() const {
    for (const Guarded& memory : scratch_) {
      if (!memory.IntactAround()) return false;
    }
    return true;
  }

 private:
  int allocations_;  // what is left of them
  std::vector<Guarded> scratch_;
};

}  // namespace gpu
}  // namespace
}  // namespace knl
