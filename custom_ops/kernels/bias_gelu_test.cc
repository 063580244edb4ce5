// Holds the bias and GELU of every instruction set that this machine has to the plain formula.
#include <cmath>
#include <string>
#include <vector>

#include "bias_gelu.h"
#include "reference.h"
#include "testing.h"

namespace knl {
namespace {

struct Case {
  std::string name;
  BiasGelu g;
  Array x, bias, dy;
};

Case MakeCase(int64_t rows, int64_t width, Element element, bool bias, bool approximate,
              uint32_t seed) {
  Random random(seed);
  Case c;
  c.g.element = element, c.g.rows = rows, c.g.width = width, c.g.approximate = approximate;
  c.x = Normals(element, rows * width, 2.0f, random);
  c.dy = Normals(element, rows * width, 1.0f, random);
  if (bias) c.bias = Normals(Element::kFloat32, width, 1.0f, random);
  c.name = std::string(kElementNames[static_cast<int>(element)]) + " " + std::to_string(rows) +
           "x" + std::to_string(width) + (bias ? " bias" : "") +
           (approximate ? " approximate" : "");
  return c;
}

// ---- The formula ----

template <class Real>
Real Value(Real h, bool approximate) {
  if (!approximate) return h * Real(0.5) * (1 + std::erf(h / std::sqrt(Real(2))));
  const Real scale = std::sqrt(2 / Real(M_PI));
  return h * Real(0.5) * (1 + std::tanh(scale * (h + Real(0.044715) * h * h * h)));
}

template <class Real>
Real Slope(Real h, bool approximate) {
  if (!approximate) {
    const Real density = std::exp(-h * h / 2) / std::sqrt(2 * Real(M_PI));
    return Real(0.5) * (1 + std::erf(h / std::sqrt(Real(2)))) + h * density;
  }
  const Real scale = std::sqrt(2 / Real(M_PI));
  const Real t = std::tanh(scale * (h + Real(0.044715) * h * h * h));
  const Real dz = scale * (1 + 3 * Real(0.044715) * h * h);
  return Real(0.5) * (1 + t) + Real(0.5) * h * (1 - t * t) * dz;
}

template <class Real>
struct Result {
  std::vector<Real> y, dx, dbias;
};

template <class Real>
Result<Real> Formula(const Case& c) {
  const BiasGelu& g = c.g;
  Result<Real> r;
  r.dbias.resize(g.width);
  for (int64_t i = 0; i < g.rows * g.width; ++i) {
    Real h = reference::Read(g.element, c.x.data(), i);
    const Real dy = reference::Read(g.element, c.dy.data(), i);
    if (c.bias.data() != nullptr) h += c.bias.data<float>()[i % g.width];
    const Real dx = dy * Slope(h, g.approximate);
    r.y.push_back(reference::Rounded(g.element, Value(h, g.approximate)));
    r.dx.push_back(reference::Rounded(g.element, dx));
    r.dbias[i % g.width] += dx;
  }
  return r;
}

// ---- Running ----

struct Outputs {
  Array y, dx, dbias;
  bool operator==(const Outputs& o) const { return y == o.y && dx == o.dx && dbias == o.dbias; }
};

enum Place { kApart, kInPlace };

Outputs Run(const Case& c, Workers& workers, Place place = kApart) {
  Outputs o;
  o.y = o.dx = Array(c.g.rows * c.g.width * reference::SizeOf(c.g.element));
  if (place == kInPlace) o.y = c.x, o.dx = c.dy;
  if (c.bias.data() != nullptr) o.dbias = Array(c.g.width * 4);
  const bool in_place = place == kInPlace;
  const float* bias = c.bias.data<float>();
  Problem problem = BiasGeluForward(
      c.g, {in_place ? o.y.data() : c.x.data(), bias, o.y.data()}, workers);
  if (problem == nullptr) {
    problem = BiasGeluBackward(c.g,
                               {in_place ? o.dx.data() : c.dy.data(), c.x.data(), bias,
                                o.dx.data(), o.dbias.data<float>()},
                               workers);
  }
  if (problem != nullptr) Fail("%s: %s", c.name.c_str(), problem);
  for (const Array* array : {&o.y, &o.dx, &o.dbias}) {
    if (!array->IntactAround()) Fail("%s: written outside an array", c.name.c_str());
  }
  return o;
}

Outputs Run(const Case& c, int count, Place place = kApart) {
  Threads workers(count);
  return Run(c, workers, place);
}

void Check(const Case& c) {
  const auto truth = Formula<double>(c);
  const auto plain = Formula<float>(c);
  const auto anything = [](int64_t) { return false; };
  const Element element = c.g.element;
  // By what elements may be off that the plain formula happens to have exact: two roundings.
  const double h = Largest(element, c.x, truth.y.size()) + 4;
  const double dy = Largest(element, c.dy, truth.y.size());
  const double step = 0x1p-24 + kRoundings[static_cast<int>(element)];
  OnEveryInstructionSet(element, [&](const char* set) {
    const Outputs o = Run(c, 1);
    const std::string where = c.name + " on " + set;
    CompareArray(where, "y", element, o.y, truth.y, plain.y, step * h, anything);
    CompareArray(where, "dx", element, o.dx, truth.dx, plain.dx, step * 1.2 * dy, anything);
    if (c.bias.data() != nullptr) {
      CompareArray(where, "dbias", Element::kFloat32, o.dbias, truth.dbias, plain.dbias,
                   0x1p-23 * 1.2 * dy * std::sqrt(c.g.rows), anything);
    }
    if (!(Run(c, 3) == o)) Fail("%s: 3 workers differ from 1", where.c_str());
    if (!(Run(c, 1, kInPlace) == o)) Fail("%s: it differs in place", where.c_str());
  });
}

// ---- Groups of checks ----

int EveryRemainder() {
  int cases = 0;
  for (int64_t width = 1; width <= 70; ++width) {
    for (int64_t rows = 0; rows <= 9; ++rows) {
      const bool bias = (cases / 3) % 2, approximate = cases % 2;
      Check(MakeCase(rows, width, kElements[cases % 3], bias, approximate, cases));
      ++cases;
    }
  }
  return cases;
}

int WidthsOfModels() {
  int cases = 0;
  for (int64_t width : {384, 1536, 3071}) {
    for (Element element : kElements) {
      for (int options = 0; options < 4; ++options) {
        Check(MakeCase(37, width, element, options & 1, options & 2, ++cases));
      }
    }
  }
  return cases;
}

int ManyRows() {
  int cases = 0;
  for (int64_t rows : {2047, 5001}) {
    for (int64_t width : {1, 8, 19}) {
      Check(MakeCase(rows, width, kElements[cases % 3], true, cases % 2, cases));
      ++cases;
    }
  }
  return cases;
}

// By errors relative to the result: absolute ones say nothing of the left tail. At -5, the
// exponent of exp is 12.5, or 17 by the tanh formula, and each of its roundings weighs as much.
int TheTailsAreExactToo() {
  constexpr int64_t kSteps = 1 << 16;
  int cases = 0;
  for (bool approximate : {false, true}) {
    Case c = MakeCase(1, kSteps, Element::kFloat32, false, approximate, 1);
    for (int64_t i = 0; i < kSteps; ++i) {
      c.x.data<float>()[i] = -5.0f + 10.0f * i / kSteps;
      c.dy.data<float>()[i] = 1;
    }
    const double allowed = approximate ? 4 * 17 * 0x1p-23 : 2 * 12.5 * 0x1p-23;
    OnEveryInstructionSet(Element::kFloat32, [&](const char* set) {
      const Outputs o = Run(c, 1);
      double value = 0, slope = 0;
      for (int64_t i = 0; i < kSteps; ++i) {
        const double h = c.x.data<float>()[i];
        const double z = 2 * std::sqrt(2 / M_PI) * (h + 0.044715 * h * h * h);
        const double below = approximate ? 1 / (1 + std::exp(-z)) : std::erfc(-h * M_SQRT1_2) / 2;
        if (h != 0) value = std::max(value, std::fabs(o.y.data<float>()[i] / (h * below) - 1));
        slope = std::max(slope, std::fabs(o.dx.data<float>()[i] - Slope(h, approximate)));
      }
      if (!(value < allowed && slope < 4e-7)) {
        Fail("%s%s: values are off by %.3g of their size, slopes by %.3g", set,
             approximate ? ", approximate" : "", value, slope);
      }
      worst = std::max({worst, value / allowed, slope / 4e-7});
      ++cases;
    });
  }
  return cases;
}

int FarOutItIsZeroOrTheIdentity() {
  const float far[] = {20, 1e3f, 1e10f, 1e25f, 3e38f};
  int cases = 0;
  for (bool approximate : {false, true}) {
    Case c = MakeCase(2, 6, Element::kFloat32, false, approximate, 1);
    for (int64_t i = 0; i < 12; ++i) {
      c.x.data<float>()[i] = i % 6 == 5 ? NAN : i < 6 ? far[i % 6] : -far[i % 6];
      c.dy.data<float>()[i] = 1;
    }
    OnEveryInstructionSet(Element::kFloat32, [&](const char* set) {
      const Outputs o = Run(c, 1);
      const float *y = o.y.data<float>(), *dx = o.dx.data<float>();
      for (int64_t i = 0; i < 5; ++i) {
        if (y[i] != far[i] || dx[i] != 1 || y[6 + i] != 0 || dx[6 + i] != 0) {
          Fail("%s: %g gives %g, slope %g; %g gives %g, slope %g", set, far[i], y[i], dx[i],
               -far[i], y[6 + i], dx[6 + i]);
        }
      }
      if (y[5] == y[5] || dx[5] == dx[5]) Fail("%s: NaN gives %g and %g", set, y[5], dx[5]);
      ++cases;
    });
  }
  return cases;
}

int RefusalsNameTheirNumbers() {
  Threads none(1, 0);
  for (const auto& [rows, width] : {std::pair<int64_t, int64_t>{-3, 5}, {3, 0}}) {
    BiasGelu g;
    g.rows = rows, g.width = width;
    for (const Problem problem : {BiasGeluForward(g, {}, none), BiasGeluBackward(g, {}, none)}) {
      const std::string sentence = problem == nullptr ? "(no problem)" : problem;
      if (sentence.find(std::to_string(rows) + " rows of " + std::to_string(width)) ==
          std::string::npos) {
        Fail("not %d rows of %d: %s", (int)rows, (int)width, sentence.c_str());
      }
    }
  }
  const Case c = MakeCase(5, 7, Element::kFloat32, true, false, 1);
  Outputs o = Run(c, 1);
  const Problem problem =
      BiasGeluBackward(c.g,
                       {c.dy.data(), c.x.data(), c.bias.data<float>(), o.dx.data(),
                        o.dbias.data<float>()},
                       none);
  if (problem == nullptr || std::strstr(problem, "bytes") == nullptr) Fail("no memory was fine");
  return 3;
}

}  // namespace
}  // namespace knl

int main() {
  using namespace knl;
  Group("refusals name their numbers", RefusalsNameTheirNumbers);
  Group("every remainder of features and rows", EveryRemainder);
  Group("widths of models", WidthsOfModels);
  Group("many rows", ManyRows);
  Group("the tails are exact, too", TheTailsAreExactToo);
  Group("far out it is zero or the identity", FarOutItIsZeroOrTheIdentity);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
