// Holds attention to a cache of every instruction set that this machine has to the plain
// formula.
#include <cmath>
#include <cstring>
#include <string>

#include "cached_attention.h"
#include "cached_attention_cases.h"
#include "testing.h"

namespace knl {
namespace {
namespace cached {

// ---- Running ----

Outputs Run(const Case& c, int count) {
  Threads workers(count);
  Outputs o = {Array(c.q_size() * reference::SizeOf(c.a.element)), c.cache};
  const Problem problem = CachedAttentionForward(c.a, c.q.data(), c.k.data(), c.v.data(),
                                                 o.cache.data(), o.out.data(), workers);
  if (problem != nullptr) Fail("%s: %s", c.name.c_str(), problem);
  if (!o.out.IntactAround() || !o.cache.IntactAround()) {
    Fail("%s: written outside an array", c.name.c_str());
  }
  return o;
}

void OnEverySet(const Case& c, const Show& show) {
  OnEveryInstructionSet(c.a.element, [&](const char* set) {
    const Outputs o = Run(c, 1);
    show(std::string("on ") + set, o);
    if (!(Run(c, 3) == o)) Fail("%s on %s: 3 workers differ from 1", c.name.c_str(), set);
  });
}

// ---- What only the kernels for CPUs promise ----

int RefusalsNameTheirNumbers() {
  int cases = 0;
  const auto refuses = [&](const std::string& wanted, auto change) {
    CachedAttention a;
    a.rows = 6, a.queries = 2, a.columns = 9, a.index = 3;
    a.heads = 4, a.kv_heads = 2, a.width = 8;
    change(a);
    Threads none(1, 0);
    for (const Problem problem :
         {CheckCachedAttention(a),
          CachedAttentionForward(a, nullptr, nullptr, nullptr, nullptr, nullptr, none)}) {
      const std::string sentence = problem == nullptr ? "(no problem)" : problem;
      if (sentence.find(wanted) == std::string::npos || sentence.back() != '.') {
        Fail("no %s in: %s", wanted.c_str(), sentence.c_str());
      }
    }
    ++cases;
  };
  refuses("Received: -1, 2, 9", [](auto& a) { a.rows = -1; });
  refuses("Received: 4 and 3 heads", [](auto& a) { a.kv_heads = 3; });
  refuses("Received: 257", [](auto& a) { a.width = 257; });
  refuses("2 tokens from column 8 on, 9 columns", [](auto& a) { a.index = 8; });
  refuses("from column -1 on", [](auto& a) { a.index = -1; });
  refuses("6 rows, beams=4", [](auto& a) { a.beams = 4; });
  refuses("scale must be finite and above 0. Received: 0", [](auto& a) { a.scale = 0; });
  refuses("Received: nan", [](auto& a) { a.soft_cap = NAN; });
  refuses("window must be at least 0, or -1 for all. Received: -2",
          [](auto& a) { a.window = -2; });
  const Case c = MakeCase({1, 1, 500, 501, 1, 1, 64}, Element::kFloat32, Element::kFloat32, 0, 1);
  Outputs o = Run(c, 1);
  Threads none(1, 0);
  const Problem problem = CachedAttentionForward(c.a, c.q.data(), c.k.data(), c.v.data(),
                                                 o.cache.data(), o.out.data(), none);
  if (problem == nullptr || std::strstr(problem, " bytes") == nullptr) Fail("no memory was fine");
  return cases + 1;
}

}  // namespace cached
}  // namespace
}  // namespace knl

int main() {
  using namespace knl;
  using namespace knl::cached;
  Group("every width of a head", [] { return EveryWidth(OnEverySet, UpTo(1, 70)); });
  Group("every number of columns",
        [] { return EveryNumberOfColumns(OnEverySet, UpTo(0, 130)); });
  Group("every mix of options", [] { return EveryMixOfOptions(OnEverySet, 1); });
  Group("columns shared among workers",
        [] { return SharedColumns(OnEverySet, {127, 128, 600, 1999, 4000}); });
  Group("many queries", [] { return ManyQueries(OnEverySet, {9, 33, 70}); });
  Group("scores far apart", [] { return ScoresFarApart(OnEverySet); });
  Group("what is no number stays so", [] { return NansStay(OnEverySet); });
  Group("refusals name their numbers", RefusalsNameTheirNumbers);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
