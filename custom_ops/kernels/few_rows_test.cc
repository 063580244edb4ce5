// Holds products of few rows of every instruction set that this machine has to the plain
// formula.
#include <cmath>
#include <string>
#include <vector>

#include "few_rows.h"
#include "reference.h"
#include "testing.h"

namespace knl {
namespace {

// Whatever the type of x: a set may have products of its own for weights alone.
constexpr Element kEverySet = Element::kBFloat16;

const Weights kWeights[] = {Weights::kFloat32, Weights::kBFloat16, Weights::kFloat16,
                            Weights::kInt8};
const char* const kWeightNames[] = {"float32", "bfloat16", "float16", "int8"};

enum Option : unsigned { kTransposed = 1 << 0, kScale = 1 << 1, kBias = 1 << 2 };
constexpr unsigned kAll = 7;

struct Case {
  std::string name;
  FewRows f;
  Array x, weights, scale, bias;
};

Case MakeCase(int64_t rows, int64_t inputs, int64_t outputs, Element element, Weights weights,
              unsigned options, uint32_t seed) {
  Random random(seed);
  Case c;
  c.f = {element, weights, (options & kTransposed) != 0, rows, inputs, outputs};
  c.x = Normals(element, rows * inputs, 1.0f, random);
  if (weights == Weights::kInt8) {
    c.weights = Array(inputs * outputs);
    for (int64_t i = 0; i < inputs * outputs; ++i) {
      c.weights.data<int8_t>()[i] = static_cast<int8_t>(random.Below(256) - 128);
    }
  } else {
    c.weights = Normals(static_cast<Element>(weights), inputs * outputs, 1.0f, random);
  }
  if (options & kScale) c.scale = Normals(Element::kFloat32, outputs, 1.0f, random);
  if (options & kBias) c.bias = Normals(Element::kFloat32, outputs, 3.0f, random);
  c.name = std::string(kElementNames[static_cast<int>(element)]) + " " + std::to_string(rows) +
           "x" + std::to_string(inputs) + " by " +
           kWeightNames[static_cast<int>(weights)] + " " + std::to_string(outputs) +
           " options=" + std::to_string(options) + " seed=" + std::to_string(seed);
  return c;
}

template <class Real>
std::vector<Real> Formula(const Case& c) {
  const FewRows& f = c.f;
  const auto weight = [&](int64_t in, int64_t out) -> Real {
    const int64_t i = f.transposed ? out * f.inputs + in : in * f.outputs + out;
    if (f.weights == Weights::kInt8) return c.weights.data<int8_t>()[i];
    return reference::Read(static_cast<Element>(f.weights), c.weights.data(), i);
  };
  std::vector<Real> y;
  for (int64_t row = 0; row < f.rows; ++row) {
    for (int64_t out = 0; out < f.outputs; ++out) {
      Real sum = 0;
      for (int64_t in = 0; in < f.inputs; ++in) {
        sum += reference::Read(f.element, c.x.data(), row * f.inputs + in) * weight(in, out);
      }
      if (c.scale.data() != nullptr) sum *= c.scale.data<float>()[out];
      if (c.bias.data() != nullptr) sum += c.bias.data<float>()[out];
      y.push_back(reference::Rounded(f.element, sum));
    }
  }
  return y;
}

Array Run(const Case& c, int count) {
  Threads workers(count);
  Array y(c.f.rows * c.f.outputs * reference::SizeOf(c.f.element));
  const FewRowsArrays arrays = {c.x.data(), c.weights.data(), c.scale.data<float>(),
                                c.bias.data<float>(), y.data()};
  const Problem problem = FewRowsForward(c.f, arrays, workers);
  if (problem != nullptr) Fail("%s: %s", c.name.c_str(), problem);
  if (!y.IntactAround()) Fail("%s: written outside y", c.name.c_str());
  return y;
}

void Check(const Case& c) {
  const FewRows& f = c.f;
  const auto truth = Formula<double>(c);
  const auto plain = Formula<float>(c);
  // By what an element may be off that the plain formula happens to have exact.
  const double size = f.weights == Weights::kInt8 ? 128 : 4;
  const double scale =
      c.scale.data() == nullptr ? 1 : Largest(Element::kFloat32, c.scale, f.outputs);
  double step = 0x1p-23 + kRoundings[static_cast<int>(f.element)];
  if (f.weights == Weights::kInt8) step += 0x1p-16;  // as rows of x are rounded
  const double floor = step * (4 * std::sqrt(f.inputs) * size * scale + 8);
  OnEveryInstructionSet(kEverySet, [&](const char* set) {
    const std::string where = c.name + " on " + set;
    const Array y = Run(c, 1);
    CompareArray(where, "y", f.element, y, truth, plain, floor, [](int64_t) { return false; });
    if (!(Run(c, 3) == y)) Fail("%s: 3 workers differ from 1", where.c_str());
  });
}

// ---- Groups of checks ----

int EveryRemainder() {
  int cases = 0;
  for (int64_t size = 1; size <= 70; ++size) {
    for (int64_t rows = 0; rows <= 9; ++rows) {
      Random random(cases);
      const int64_t other = 1 + random.Below(70);
      const bool inputs = random.Chance(0.5);
      Check(MakeCase(rows, inputs ? size : other, inputs ? other : size, kElements[cases % 3],
                     random.Of(kWeights), random.Below(kAll + 1), cases));
      ++cases;
    }
  }
  return cases;
}

int EveryMixOfTypesAndOptions() {
  int cases = 0;
  for (Element element : kElements) {
    for (Weights weights : kWeights) {
      for (unsigned options = 0; options <= kAll; ++options) {
        Check(MakeCase(5, 37, 91, element, weights, options, ++cases));
      }
    }
  }
  return cases;
}

// Cut into ranges of outputs, ranges of inputs, and both; blocks of rows, too.
int ManyTasks() {
  int cases = 0;
  const int64_t sizes[][3] = {{4, 768, 768}, {2, 3071, 259}, {3, 391, 2310}, {1, 130, 20011},
                              {33, 403, 401}, {70, 391, 200}};
  for (const auto& s : sizes) {
    for (unsigned options : {kAll & ~kTransposed, kAll | kTransposed}) {
      for (Weights weights : {Weights::kFloat32, Weights::kInt8}) {
        const Element element = kElements[cases % 3];
        Check(MakeCase(s[0], s[1], s[2], element, weights, options, cases));
        ++cases;
      }
    }
  }
  return cases;
}

// Every product as large as 16 and 8 bits allow, and more of them than 32 bits can sum.
int WholeNumbersDoNotOverflow() {
  int cases = 0;
  for (unsigned options : {0u, +kTransposed}) {
    Case c = MakeCase(3, 17'003, 40, Element::kFloat32, Weights::kInt8, options, cases);
    for (int64_t i = 0; i < 3 * 17'003; ++i) c.x.data<float>()[i] = -2.0f;
    for (int64_t i = 0; i < 40 * 17'003; ++i) c.weights.data<int8_t>()[i] = -128;
    const float sum = 2.0f * 128 * 17'003;
    OnEveryInstructionSet(kEverySet, [&](const char* set) {
      const Array y = Run(c, 1);
      for (int64_t i = 0; i < 3 * 40; ++i) {
        const float got = y.data<float>()[i];
        if (!(std::abs(got - sum) < 1e-5f * sum)) Fail("%s: %g instead of %g", set, got, sum);
      }
    });
    ++cases;
  }
  return cases;
}

// A row with a number that is none gives such numbers alone, and leaves others as they are.
int StrangeRows() {
  int cases = 0;
  for (Weights weights : kWeights) {
    for (float strange : {NAN, INFINITY, 0.0f, 1e-38f}) {
      const Case c = MakeCase(3, 40, 33, Element::kFloat32, weights, kScale, ++cases);
      Case changed = c;
      float* row = changed.x.data<float>() + 40;
      for (int64_t i = 0; i < 40; ++i) row[i] = std::isfinite(strange) ? strange : 1;
      row[7] = strange;
      OnEveryInstructionSet(kEverySet, [&](const char* set) {
        const Array before = Run(c, 1), y = Run(changed, 1);
        for (int64_t i = 0; i < 3 * 33; ++i) {
          const float now = y.data<float>()[i];
          if (i / 33 != 1 && now != before.data<float>()[i]) {
            Fail("%s on %s: another row changed", c.name.c_str(), set);
          }
          if (i / 33 == 1 && std::isfinite(now) != std::isfinite(strange)) {
            Fail("%s on %s: %g of %g", c.name.c_str(), set, now, strange);
          }
        }
      });
    }
  }
  return cases;
}

int RefusalsNameTheirNumbers() {
  int cases = 0;
  const auto refuses = [&](const std::string& wanted, int allocations, auto change) {
    Case c = MakeCase(3, 5, 7, Element::kFloat32, Weights::kFloat32, 0, 1);
    Array y(3 * 7 * 4);
    Threads workers(1, allocations);
    change(c.f);
    const FewRowsArrays arrays = {c.x.data(), c.weights.data(), nullptr, nullptr, y.data()};
    const Problem problem = FewRowsForward(c.f, arrays, workers);
    const std::string sentence = problem == nullptr ? "(no problem)" : problem;
    if (sentence.find(wanted) == std::string::npos || sentence.back() != '.') {
      Fail("no %s in: %s", wanted.c_str(), sentence.c_str());
    }
    ++cases;
  };
  refuses("Received: -3 rows", 9, [](FewRows& f) { f.rows = -3; });
  refuses("0 inputs", 9, [](FewRows& f) { f.inputs = 0; });
  refuses("0 outputs", 9, [](FewRows& f) { f.outputs = 0; });
  refuses("no memory for rows", 0, [](FewRows&) {});
  refuses("no memory for sums", 1, [](FewRows&) {});
  return cases;
}

}  // namespace
}  // namespace knl

int main() {
  using namespace knl;
  Group("every remainder of inputs, outputs and rows", EveryRemainder);
  Group("every mix of types and options", EveryMixOfTypesAndOptions);
  Group("many tasks", ManyTasks);
  Group("whole numbers do not overflow", WholeNumbersDoNotOverflow);
  Group("strange rows", StrangeRows);
  Group("refusals name their numbers", RefusalsNameTheirNumbers);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
