// What the calls of all kernels have in common: the types of arrays, who does the work, and
// how a refusal is told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace knl {

enum class Element { kFloat32, kBFloat16, kFloat16 };

// Who does the work: a framework's threads and memory, or the tests'.
class Workers {
 public:
  virtual ~Workers() = default;
  // How many may run at once, this thread included; at least 1.
  virtual int count() const = 0;
  // Runs `job` on another thread, soon or late; it may outlive the kernel's call.
  virtual void Schedule(std::function<void()> job) = 0;
  // Memory aligned to 64 bytes that lives until the kernel's call returns; null if
  // there is none.
  virtual void* Scratch(size_t bytes) = 0;
};

// Null if all is well, or one sentence that says what is wrong. It points to memory that
// lives as long as the thread and holds until its next call.
using Problem = const char*;

__attribute__((format(printf, 1, 2))) Problem Say(const char* format, ...);

// "portable", "avx2", "avx512" or "avx512_bf16": the widest that this machine has and
// that has code for `element`. The environment variable KNL_INSTRUCTION_SET, read at
// each call, asks for a narrower one; one that the machine lacks is not taken.
const char* InstructionSet(Element element);

}  // namespace knl
