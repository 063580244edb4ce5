#include "cuda_architectures.h"

#include "testing.h"

namespace knl {
namespace {

using cuda::HasCode;
using cuda::IsHopper;

#define CHECK(what) \
  if (!(what)) Fail("not so: %s", #what)

int CodeIsFoundWhereItRuns() {
  const char* const kUsual = "75-real:80-real:90a-real:80-virtual";
  for (int version : {75, 80, 86, 89, 90, 100, 120}) {
    if (!HasCode(version, kUsual)) Fail("sm_%d has no code of %s", version, kUsual);
  }
  CHECK(!HasCode(70, kUsual));
  // Code of a generation is none of another, nor of an earlier GPU; a letter's is of one alone.
  CHECK(HasCode(89, "86-real") && !HasCode(80, "86-real") && !HasCode(90, "86-real"));
  CHECK(HasCode(90, "90a-real") && !HasCode(80, "90a-real") && !HasCode(100, "90a-real"));
  CHECK(HasCode(120, "90") && !HasCode(89, "90") && !HasCode(120, "90a"));
  CHECK(HasCode(103, "100-real") && !HasCode(120, "100-real"));
  CHECK(HasCode(80, nullptr));

  CHECK(IsHopper(90, kUsual) && IsHopper(90, nullptr));
  CHECK(!IsHopper(90, "80-real:90-real:80-virtual") && !IsHopper(100, kUsual));
  return 17;
}

}  // namespace
}  // namespace knl

int main() {
  knl::Group("code is found where it runs", knl::CodeIsFoundWhereItRuns);
  return knl::failures > 0;
}
