// What the kernels' tests share: arrays that show what is read and written outside of them,
// threads, random numbers, and how results are judged.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "call.h"
#include "reference.h"

namespace knl {
namespace {

// ---- Reporting ----

int failures = 0;
double worst = 0;  // of the present group: error / the error that is allowed

__attribute__((format(printf, 1, 2))) void Fail(const char* format, ...) {
  if (++failures > 20) return;
  std::printf("FAILED ");
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::printf("\n");
}

void Group(const char* name, const std::function<int()>& body) {
  const int before = failures;
  worst = 0;
  const int cases = body();
  std::printf("%s %-46s %5d cases, error at most %.2f of the allowed\n",
              failures == before ? "ok    " : "FAILED", name, cases, worst);
  std::fflush(stdout);
}

// ---- Memory ----

// Bytes between two zones of ones, which as floats of any type are NaN: what is read behind
// an array spoils sums, and what is written there shows. All of it begins as ones, so that
// an element that nobody writes is NaN. An empty array is null.
class Array {
 public:
  explicit Array(size_t size = 0) : size_(size), all_(size + 2 * kGuard, kOnes) {}
  template <class T = void>
  T* data() {
    return size_ == 0 ? nullptr : reinterpret_cast<T*>(all_.data() + kGuard);
  }
  template <class T = void>
  const T* data() const {
    return const_cast<Array*>(this)->data<T>();
  }
  size_t size() const { return size_; }
  bool IntactAround() const {
    for (size_t i = 0; i < kGuard; ++i) {
      if (all_[i] != kOnes || all_[all_.size() - 1 - i] != kOnes) return false;
    }
    return true;
  }
  bool operator==(const Array& other) const { return all_ == other.all_; }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kGuard = 0;  // the sanitizer sees more
#else
  static constexpr size_t kGuard = 520;  // 8 bytes off every vector
#endif
  static constexpr uint8_t kOnes = 0xff;
  size_t size_;
  std::vector<uint8_t> all_;
};

// Runs every job at once on a thread of its own. Scratch begins as NaN.
class Threads : public Workers {
 public:
  explicit Threads(int count, int allocations = 1000)
      : count_(count), allocations_(allocations) {}
  ~Threads() override {
    for (auto& thread : threads_) thread.join();
    for (void* memory : scratch_) std::free(memory);
  }
  int count() const override { return count_; }
  void Schedule(std::function<void()> job) override { threads_.emplace_back(std::move(job)); }
  void* Scratch(size_t bytes) override {
    void* memory = nullptr;
    if (allocations_-- <= 0 || posix_memalign(&memory, 64, bytes) != 0) return nullptr;
    scratch_.push_back(memory);
    return std::memset(memory, 0xff, bytes);
  }

 private:
  const int count_;
  int allocations_;  // what is left of them
  std::vector<std::thread> threads_;
  std::vector<void*> scratch_;
};

// Keeps its jobs in `late`, to be run when the call, its arrays and scratch are gone.
class LateThreads : public Threads {
 public:
  explicit LateThreads(std::vector<std::function<void()>>* late) : Threads(5), late_(late) {}
  void Schedule(std::function<void()> job) override { late_->push_back(std::move(job)); }

 private:
  std::vector<std::function<void()>>* late_;
};

// ---- Numbers ----

const Element kElements[] = {Element::kFloat32, Element::kBFloat16, Element::kFloat16};
const char* const kElementNames[] = {"float32", "bfloat16", "float16"};
// Half a step between neighbours at 1.
const double kRoundings[] = {0x1p-24, 0x1p-8, 0x1p-11};

class Random {
 public:
  explicit Random(uint32_t seed) : bits_(seed) {}
  int64_t Below(int64_t n) { return bits_() % n; }
  bool Chance(double p) { return bits_() < p * 4294967296.0; }
  float Normal() { return normal_(bits_); }
  template <class T, size_t N>
  T Of(const T (&list)[N]) {
    return list[Below(N)];
  }

 private:
  std::mt19937 bits_;
  std::normal_distribution<float> normal_;
};

inline Array Normals(Element element, int64_t size, float deviation, Random& random) {
  Array array(size * reference::SizeOf(element));
  for (int64_t i = 0; i < size; ++i) {
    reference::Write(element, random.Normal() * deviation, array.data(), i);
  }
  return array;
}

inline double Largest(Element element, const Array& array, int64_t size) {
  double largest = 0;
  for (int64_t i = 0; i < size; ++i) {
    largest = std::max<double>(largest, std::fabs(reference::Read(element, array.data(), i)));
  }
  return largest;
}

// ---- Judging ----

// Every different code that this machine has for `element`.
template <class Body>
void OnEveryInstructionSet(Element element, Body body) {
  for (const char* name : {"portable", "avx2", "avx512", "avx512_bf16"}) {
    setenv("KNL_INSTRUCTION_SET", name, 1);
    if (std::strcmp(InstructionSet(element), name) == 0) body(name);
  }
  unsetenv("KNL_INSTRUCTION_SET");
}

// An array may err twice as much as the plain formula does in the same types, or, where
// that is nearly exact, by `floor`. Zeros that `exactly_zero` demands are exact.
inline void CompareArray(const std::string& where, const char* array_name, Element element,
                  const Array& array, const std::vector<double>& truth,
                  const std::vector<float>& plain, double floor,
                  const std::function<bool(int64_t)>& exactly_zero) {
  double error = 0, plain_error = 0;
  int64_t at = 0;
  const int64_t size = truth.size();
  for (int64_t i = 0; i < size; ++i) {
    const double got = reference::Read(element, array.data(), i);
    if (exactly_zero(i) && got != 0) {
      Fail("%s: %s[%lld] is %g instead of exactly 0", where.c_str(), array_name,
           (long long)i, got);
      return;
    }
    const double distance = got == truth[i] ? 0 : std::fabs(got - truth[i]);  // infinities
    if (plain[i] != truth[i]) {
      plain_error = std::max(plain_error, std::fabs(plain[i] - truth[i]));
    }
    if (!(distance <= error)) error = distance, at = i;
    if (distance != distance) break;
  }
  const double allowed = 2 * plain_error + floor;
  if (!(error <= allowed)) {
    Fail("%s: %s[%lld] of %lld is %.9g instead of %.9g, off by %.3g; the plain formula is off "
         "by %.3g, and %.3g are allowed", where.c_str(), array_name, (long long)at,
         (long long)size, reference::Read(element, array.data(), at), truth[at], error,
         plain_error, allowed);
  }
  if (allowed > 0) worst = std::max(worst, error / allowed);
}

}  // namespace
}  // namespace knl
