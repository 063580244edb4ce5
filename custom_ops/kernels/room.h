// Cuts one worker's scratch into arrays.
#pragma once

#include "pack.h"

namespace knl {
namespace KNL_UNIT {
namespace {

// With no memory it only counts.
class Room {
 public:
  explicit Room(void* memory) : memory_((char*)memory) {}
  float* Floats(int64_t count) {
    char* here = memory_ == nullptr ? nullptr : memory_ + used_;
    // Not all at one place of a page: stores to one array would hold up loads of another.
    used_ += RoundUp(count * (int64_t)sizeof(float), 64) + 5 * 64;
    return (float*)here;
  }
  size_t used() const { return used_; }

 private:
  char* memory_;
  size_t used_ = 0;
};

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
