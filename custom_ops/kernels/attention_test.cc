// Holds the attention of every instruction set that this machine has to the plain formula.
//
//   attention_test [--cases N]   N random cases; some other groups shrink with a small N
//
// A failure names its case, which MakeCase makes again from the same sizes, options and seed.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "attention.h"
#include "attention_cases.h"
#include "attention_groups.h"
#include "testing.h"

namespace knl {
namespace {

// ---- Running ----

Outputs Run(const Case& c, Workers& workers) {
  const Attention& a = c.a;
  Outputs o = OutputsOf(c);
  o.problem = AttentionForward(a, c.q.data(), c.k.data(), c.v.data(), o.out.data(),
                               o.lse.data<float>(), workers);
  if (o.problem != nullptr) return o;
  o.problem = AttentionBackward(a, c.q.data(), c.k.data(), c.v.data(), o.out.data(),
                                o.lse.data<float>(), c.dout.data(), c.dlse.data<float>(),
                                o.dq.data(), o.dk.data(), o.dv.data(), o.dbias.data<float>(),
                                workers);
  for (const Array* array : {&o.out, &o.lse, &o.dq, &o.dk, &o.dv, &o.dbias}) {
    if (!array->IntactAround()) Fail("%s: written outside an array", c.name.c_str());
  }
  return o;
}

Outputs Run(const Case& c, int count) {
  Threads workers(count);
  Outputs o = Run(c, workers);
  if (o.problem != nullptr) Fail("%s: %s", c.name.c_str(), o.problem);
  return o;
}

void OnEverySet(const Case& c, const Show& show) {
  OnEveryInstructionSet(c.a.element, [&](const char* set) {
    const Way way = {std::string("on ") + set};
    const Outputs outputs = Run(c, 1);
    if (outputs.problem == nullptr) show(way, outputs);
    if (!(Run(c, 3) == outputs)) Fail("%s on %s: 3 workers differ from 1", c.name.c_str(), set);
  });
}

// ---- Groups of checks ----

int random_cases = 1000;

// `count` for a full run, fewer where fewer random cases are asked for.
int Count(int count) { return std::min(count, (count * random_cases + 999) / 1000); }

int AllRemainders() {
  Numbers lengths;
  for (int64_t n = 0; n <= 20; ++n) lengths.push_back(n);
  for (int64_t n : {64, 128, 192}) lengths.insert(lengths.end(), {n - 1, n, n + 1});
  return EveryRemainder(OnEverySet, lengths, Count(lengths.size() * lengths.size()));
}

int WorkersOfManyKinds() {
  int cases = 0;
  std::vector<std::function<void()>> late;
  for (Element element : kElements) {
    for (unsigned options : {0u, kCausal | kDropout, 0u + kBias, 0u + kSplits}) {
      for (const Sizes& sizes : {Sizes{1, 200, 900, 2, 1, 24}, Sizes{3, 70, 50, 6, 3, 16},
                                Sizes{2, 20, 1100, 6, 6, 4}}) {
        const Case c = MakeCase(sizes, element, options, ++cases);
        OnEveryInstructionSet(element, [&](const char* set) {
          const Outputs one = Run(c, 1);
          for (int count : {1, 2, 5}) {
            if (!(Run(c, count) == one)) {
              Fail("%s on %s: another run with %d workers differs", c.name.c_str(), set, count);
            }
          }
          LateThreads workers(&late);
          if (!(Run(c, workers) == one)) {
            Fail("%s on %s: late workers differ", c.name.c_str(), set);
          }
          for (int allocations = 0; allocations < 2; ++allocations) {
            Threads poor(2, allocations);
            const Problem problem = Run(c, poor).problem;
            if (problem == nullptr || std::strpbrk(problem, "0123456789") == nullptr) {
              Fail("%s on %s: %d allocations gave %s", c.name.c_str(), set, allocations,
                   problem == nullptr ? "no problem" : problem);
            }
          }
        });
      }
    }
  }
  for (const auto& job : late) job();  // every call is over, and its arrays are gone
  if (late.empty()) Fail("no job was scheduled");
  return cases;
}

int RefusalsNameTheirNumbers() {
  const int64_t rising[] = {0, 4, 5}, falling[] = {0, 6, 5};
  const int64_t late[] = {1, 4, 5}, longer[] = {0, 4, 7};
  const uint8_t keep[10] = {};
  const int32_t segments[10] = {};
  const float bias[1] = {};
  int cases = 0;
  const auto refuses = [&](const std::vector<std::string>& wanted, auto change) {
    Attention a;
    a.batch = 2, a.queries = a.keys = 5, a.heads = 6, a.kv_heads = 3, a.width = 8;
    if (Problem problem = CheckAttention(a)) Fail("refused: %s", problem);
    change(a);
    // Were they not refused, null arrays and no memory would end the test.
    Threads none(1, 0);
    for (const Problem problem :
         {CheckAttention(a), AttentionForward(a, 0, 0, 0, 0, nullptr, none),
          AttentionBackward(a, 0, 0, 0, 0, nullptr, 0, nullptr, 0, 0, 0, nullptr, none)}) {
      const std::string sentence = problem == nullptr ? "(no problem)" : problem;
      for (const std::string& part : wanted) {
        if (sentence.find(part) == std::string::npos || sentence.back() != '.') {
          Fail("no %s in: %s", part.c_str(), sentence.c_str());
        }
      }
    }
    ++cases;
  };
  refuses({"-2", "-3", "-4"}, [](auto& a) { a.batch = -2, a.queries = -3, a.keys = -4; });
  refuses({"256", "257"}, [](auto& a) { a.width = 257; });
  refuses({"256", "0"}, [](auto& a) { a.width = 0; });
  refuses({"6", "4"}, [](auto& a) { a.kv_heads = 4; });
  refuses({"6", "0"}, [](auto& a) { a.kv_heads = 0; });
  refuses({"-6", "3"}, [](auto& a) { a.heads = -6; });
  refuses({"4294967296"}, [](auto& a) { a.keys = int64_t{1} << 32; });
  refuses({"scale", "inf"}, [](auto& a) { a.scale = INFINITY; });
  refuses({"scale", "nan"}, [](auto& a) { a.scale = NAN; });
  refuses({"soft_cap", "-1.5"}, [](auto& a) { a.soft_cap = -1.5f; });
  refuses({"soft_cap", "nan"}, [](auto& a) { a.soft_cap = NAN; });
  refuses({"-2", "7"}, [](auto& a) { a.window_left = -2, a.window_right = 7; });
  refuses({"-5"}, [](auto& a) { a.window_right = -5; });
  refuses({"dropout", "1"}, [](auto& a) { a.dropout = 1; });
  refuses({"dropout", "-0.25"}, [](auto& a) { a.dropout = -0.25f; });
  refuses({"dropout", "nan"}, [](auto& a) { a.dropout = NAN; });
  refuses({"splits"}, [&](auto& a) { a.query_splits = rising; });
  refuses({"splits"}, [&](auto& a) { a.key_splits = rising; });
  refuses({"egments"}, [&](auto& a) { a.query_segments = segments; });
  refuses({"egments"}, [&](auto& a) { a.key_segments = segments; });
  const auto split = [&](const int64_t* queries, const int64_t* keys) {
    return [=](auto& a) { a.query_splits = queries, a.key_splits = keys; };
  };
  refuses({"query", "1"}, split(late, rising));
  refuses({"key", "6", "5"}, split(rising, falling));
  refuses({"query", "5", "7"}, split(longer, rising));
  const auto also = [&](auto change) {
    return [=](auto& a) { a.query_splits = a.key_splits = rising, change(a); };
  };
  refuses({"padding"}, also([&](auto& a) { a.keep = keep; }));
  refuses({"segments"}, also([&](auto& a) { a.query_segments = a.key_segments = segments; }));
  refuses({"bias"}, also([&](auto& a) { a.bias = bias; }));
  refuses({"bias", "2", "3"}, [&](auto& a) { a.bias = bias, a.bias_batch = 3; });
  refuses({"bias", "6", "4"}, [&](auto& a) { a.bias = bias, a.bias_heads = 4; });
  return cases;
}

int InstructionSetsFollowTheVariable() {
  int cases = 0;
  for (Element element : kElements) {
    std::string widest, all;
    OnEveryInstructionSet(element, [&](const char* set) {
      widest = set;
      all += " " + widest;
      ++cases;
    });
    std::printf("       %s on%s\n", kElementNames[static_cast<int>(element)], all.c_str());
    for (const char* wanted : {"", "nonsense", "avx512_bf16"}) {
      setenv("KNL_INSTRUCTION_SET", wanted, 1);
      if (widest != InstructionSet(element)) {
        Fail("\"%s\" gives %s instead of %s", wanted, InstructionSet(element),
             widest.c_str());
      }
    }
    unsetenv("KNL_INSTRUCTION_SET");
    if (widest != InstructionSet(element)) Fail("not the widest, %s", widest.c_str());
  }
  return cases;
}

}  // namespace
}  // namespace knl

int main(int count, char** arguments) {
  using namespace knl;
  if (count == 3 && std::string(arguments[1]) == "--cases") {
    random_cases = std::max(1, std::atoi(arguments[2]));
  } else if (count != 1) {
    std::fprintf(stderr, "usage: %s [--cases N]\n", arguments[0]);
    return 2;
  }
  Group("instruction sets follow the variable", InstructionSetsFollowTheVariable);
  Group("refusals name their numbers", RefusalsNameTheirNumbers);
  Group("every remainder of queries and keys", AllRemainders);
  Group("every width", [] {
    return EveryWidth(OnEverySet, {1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 96,
                                   127, 128, 129, 200, 256});
  });
  Group("every number of heads and sequences",
        [] { return EveryHeadAndBatch(OnEverySet, {0, 1, 2, 3}); });
  Group("every option alone", [] {
    return EveryOptionAlone(
        OnEverySet, {{3, 31, 70, 6, 2, 17}, {2, 101, 45, 2, 2, 33}, {2, 98, 131, 1, 1, 16}},
        Count(3));
  });
  Group("random options together",
        [] { return RandomOptions(OnEverySet, random_cases, 260, {1, 7, 16, 40, 64, 72}); });
  Group("long sequences", [] { return LongSequences(OnEverySet, Count(48)); });
  Group("dropout drops exactly what it says",
        [] { return DropoutDropsExactlyWhatItSays(OnEverySet, {2, 150, 230, 3, 1, 230}); });
  Group("results are rounded to nearest",
        [] { return ResultsAreRoundedToNearest(OnEverySet, 20); });
  Group("queries without keys",
        [] { return QueriesWithoutKeys(OnEverySet, {2, 100, 70, 2, 1, 9}); });
  Group("workers of many kinds", WorkersOfManyKinds);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
