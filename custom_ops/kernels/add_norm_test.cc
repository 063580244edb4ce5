// Holds the residual sum and norm of every instruction set that this machine has to the plain
// formula.
#include <cmath>
#include <string>
#include <vector>

#include "add_norm.h"
#include "reference.h"
#include "testing.h"

namespace knl {
namespace {

enum Option : unsigned {
  kBias = 1 << 0, kResidual = 1 << 1, kBeta = 1 << 2, kDropout = 1 << 3, kSumGradient = 1 << 4,
};
constexpr int kOptions = 5;
constexpr unsigned kAll = (1 << kOptions) - 1;
const char* const kOptionNames[kOptions] = {"bias", "residual", "beta", "dropout", "dsum"};

struct Case {
  std::string name;
  AddNorm n;
  Array x, residual, bias, gamma, beta, dy, dsum;
  int64_t size() const { return n.rows * n.width; }
  bool adds() const { return bias.data() || residual.data() || n.dropout > 0; }
};

Case MakeCase(int64_t rows, int64_t width, Element element, unsigned options, uint32_t seed) {
  Random random(seed);
  Case c;
  c.n.element = element, c.n.rows = rows, c.n.width = width;
  c.n.epsilon = random.Of({1e-5f, 1e-12f, 0.1f});
  if (width == 1) c.n.epsilon = 0.1f;
  c.x = Normals(element, c.size(), 1.5f, random);
  c.dy = Normals(element, c.size(), 1.0f, random);
  c.gamma = Normals(Element::kFloat32, width, 1.0f, random);
  if (options & kBias) c.bias = Normals(Element::kFloat32, width, 1.0f, random);
  if (options & kResidual) c.residual = Normals(element, c.size(), 1.0f, random);
  if (options & kBeta) c.beta = Normals(Element::kFloat32, width, 1.0f, random);
  if (options & kSumGradient) c.dsum = Normals(element, c.size(), 1.0f, random);
  if (options & kDropout) {
    c.n.dropout = random.Of({0.1f, 0.5f, 1.0f / 65536});
    c.n.seed[0] = random.Below(int64_t{1} << 32);
    c.n.seed[1] = random.Below(int64_t{1} << 32);
  }
  c.name = std::string(kElementNames[static_cast<int>(element)]) + " " + std::to_string(rows) +
           "x" + std::to_string(width) + " seed=" + std::to_string(seed);
  for (int i = 0; i < kOptions; ++i) {
    if (options >> i & 1) c.name += std::string(" ") + kOptionNames[i];
  }
  return c;
}

// ---- The formula ----

template <class Real>
struct Result {
  std::vector<Real> y, sum, mean, rstd, dx, dresidual, dbias, dgamma, dbeta;
};

// `stored`: the sums that a kernel has made, to norm and to differentiate; its own if null.
template <class Real>
Result<Real> Formula(const Case& c, const Array* stored = nullptr) {
  const AddNorm& n = c.n;
  const int64_t D = n.width;
  const int threshold = reference::DropThreshold(n.dropout);
  const Real growth = Real(65536) / (65536 - threshold);
  const auto read = [&](const Array& array, int64_t i) -> Real {
    return array.data() == nullptr ? 0 : reference::Read(n.element, array.data(), i);
  };
  const auto column = [](const Array& array, int64_t j) -> Real {
    return array.data() == nullptr ? 0 : array.data<float>()[j];
  };
  Result<Real> r;
  r.dbias = r.dgamma = r.dbeta = std::vector<Real>(D);
  std::vector<Real> s(D), kept(D);
  for (int64_t row = 0; row < n.rows; ++row) {
    Real mean = 0, square = 0, mean_g = 0, mean_gh = 0;
    for (int64_t j = 0; j < D; ++j) {
      const int64_t i = row * D + j;
      const bool dropped =
          threshold > 0 && reference::DropoutBits(n.seed, 0, row, j) < threshold;
      kept[j] = dropped ? 0 : growth;
      s[j] = read(c.residual, i) + kept[j] * (read(c.x, i) + column(c.bias, j));
      r.sum.push_back(reference::Rounded(n.element, s[j]));
      s[j] = stored != nullptr ? read(*stored, i) : r.sum.back();
      mean += s[j] / D;
    }
    for (int64_t j = 0; j < D; ++j) square += (s[j] - mean) * (s[j] - mean) / D;
    const Real rstd = 1 / std::sqrt(square + Real(n.epsilon));
    r.mean.push_back(mean);
    r.rstd.push_back(rstd);
    for (int64_t j = 0; j < D; ++j) {
      const Real h = (s[j] - mean) * rstd, dy = read(c.dy, row * D + j);
      const Real y = h * column(c.gamma, j) + column(c.beta, j);
      r.y.push_back(reference::Rounded(n.element, y));
      mean_g += dy * column(c.gamma, j) / D;
      mean_gh += dy * column(c.gamma, j) * h / D;
      r.dgamma[j] += dy * h;
      r.dbeta[j] += dy;
    }
    for (int64_t j = 0; j < D; ++j) {
      const Real h = (s[j] - mean) * rstd, g = read(c.dy, row * D + j) * column(c.gamma, j);
      const Real ds = rstd * (g - mean_g - h * mean_gh) + read(c.dsum, row * D + j);
      r.dresidual.push_back(reference::Rounded(n.element, ds));
      r.dx.push_back(reference::Rounded(n.element, ds * kept[j]));
      r.dbias[j] += ds * kept[j];
    }
  }
  return r;
}

// ---- Running ----

struct Outputs {
  Array y, sum, mean, rstd, dx, dresidual, dbias, dgamma, dbeta;
  bool operator==(const Outputs& o) const {
    return y == o.y && sum == o.sum && mean == o.mean && rstd == o.rstd && dx == o.dx &&
           dresidual == o.dresidual && dbias == o.dbias && dgamma == o.dgamma &&
           dbeta == o.dbeta;
  }
};

enum Place { kApart, kInPlace };

Outputs Run(const Case& c, Workers& workers, Place place = kApart) {
  const AddNorm& n = c.n;
  Outputs o;
  o.y = o.dx = Array(c.size() * reference::SizeOf(n.element));
  if (c.adds()) o.sum = o.y;
  if (n.dropout > 0 && c.residual.data() != nullptr) o.dresidual = o.y;
  o.mean = o.rstd = Array(n.rows * 4);
  o.dgamma = Array(n.width * 4);
  if (c.bias.data() != nullptr) o.dbias = o.dgamma;
  if (c.beta.data() != nullptr) o.dbeta = o.dgamma;

  AddNormArrays a = {c.x.data(), c.residual.data(), c.bias.data<float>(),
                     c.gamma.data<float>(), c.beta.data<float>(), o.y.data(), o.sum.data(),
                     o.mean.data<float>(), o.rstd.data<float>()};
  const bool in_place = place == kInPlace;
  if (in_place && c.adds()) o.sum = c.x, a.x = a.sum = o.sum.data();
  if (in_place && c.residual.data()) o.y = c.residual, a.residual = a.y = o.y.data();
  if (in_place && !c.adds()) o.y = c.x, a.x = a.y = o.y.data();
  Problem problem = AddNormForward(n, a, workers);
  const void* sum = c.adds() ? o.sum.data() : c.x.data();
  AddNormGradient g = {c.dy.data(), c.dsum.data(), sum, a.mean, a.rstd, a.gamma, o.dx.data(),
                       o.dresidual.data(), o.dbias.data<float>(), o.dgamma.data<float>(),
                       o.dbeta.data<float>()};
  if (in_place) o.dx = c.dy, g.dy = g.dx = o.dx.data();
  if (in_place && c.dsum.data() != nullptr && o.dresidual.data() != nullptr) {
    o.dresidual = c.dsum, g.dsum = g.dresidual = o.dresidual.data();
  }
  if (problem == nullptr) problem = AddNormBackward(n, g, workers);
  if (problem != nullptr) Fail("%s: %s", c.name.c_str(), problem);
  for (const Array* array : {&o.y, &o.sum, &o.mean, &o.rstd, &o.dx, &o.dresidual, &o.dbias,
                             &o.dgamma, &o.dbeta}) {
    if (!array->IntactAround()) Fail("%s: written outside an array", c.name.c_str());
  }
  return o;
}

Outputs Run(const Case& c, int count, Place place = kApart) {
  Threads workers(count);
  return Run(c, workers, place);
}

void Check(const Case& c) {
  const Element element = c.n.element;
  OnEveryInstructionSet(element, [&](const char* set) {
    const Outputs o = Run(c, 1);
    const std::string where = c.name + " on " + set;
    // Which way a sum is rounded may differ; what follows must fit the sum that was stored.
    const Array* stored = c.adds() ? &o.sum : &c.x;
    const auto truth = Formula<double>(c, stored);
    const auto plain = Formula<float>(c, stored);
    // By what elements may be off that the plain formula happens to have exact: roundings of
    // the largest numbers that they are made of.
    const auto largest = [&](Element type, const Array& array, int64_t size) {
      return array.data() == nullptr ? 0 : Largest(type, array, size);
    };
    const Element wide = Element::kFloat32;
    const double D = c.n.width, rows = c.n.rows;
    const double float_step = 0x1p-23 * (1 + std::sqrt(D) / 8);
    const double step = float_step + kRoundings[static_cast<int>(element)];
    double rstd = 0;
    for (double each : truth.rstd) rstd = std::max(rstd, each);
    const double s = largest(element, *stored, c.size());
    const double h = std::min(std::sqrt(D), 2 * s * rstd) + s * rstd / 2;
    const double dy = largest(element, c.dy, c.size());
    const double dsum = largest(element, c.dsum, c.size());
    const double gamma = largest(wide, c.gamma, c.n.width);
    const double beta = largest(wide, c.beta, c.n.width);
    const double ds = rstd * dy * gamma * (2 + h) + dsum;
    const double growth = 1 / (1 - c.n.dropout);
    const double over_rows = float_step * std::sqrt(rows);
    const auto compare = [&](const char* name, Element type, const Array& array,
                             std::vector<double> Result<double>::*exact,
                             std::vector<float> Result<float>::*near, double floor) {
      if (array.data() == nullptr) return;
      CompareArray(where, name, type, array, truth.*exact, plain.*near, floor,
                   [](int64_t) { return false; });
    };
#define COMPARE(name, type, floor) \
  compare(#name, type, o.name, &Result<double>::name, &Result<float>::name, floor)
    COMPARE(sum, element, step * 4 * growth);
    COMPARE(y, element, step * (h * gamma + beta));
    COMPARE(mean, wide, float_step * s);
    COMPARE(rstd, wide, float_step * rstd * 2);
    COMPARE(dx, element, step * ds * growth);
    COMPARE(dresidual, element, step * ds);
    COMPARE(dgamma, wide, over_rows * dy * h);
    COMPARE(dbeta, wide, over_rows * dy);
    COMPARE(dbias, wide, over_rows * ds * growth);
#undef COMPARE
    if (!(Run(c, 3) == o)) Fail("%s: 3 workers differ from 1", where.c_str());
    if (!(Run(c, 1, kInPlace) == o)) Fail("%s: it differs in place", where.c_str());
  });
}

// ---- Groups of checks ----

int EveryRemainder() {
  int cases = 0;
  for (int64_t width = 1; width <= 70; ++width) {
    for (int64_t rows = 0; rows <= 9; ++rows) {
      const unsigned options = Random(cases).Below(kAll + 1);
      Check(MakeCase(rows, width, kElements[cases % 3], options, cases));
      ++cases;
    }
  }
  return cases;
}

int EveryMixOfOptions() {
  int cases = 0;
  for (unsigned options = 0; options <= kAll; ++options) {
    for (Element element : kElements) Check(MakeCase(5, 67, element, options, ++cases));
  }
  return cases;
}

int WidthsOfModels() {
  int cases = 0;
  for (int64_t width : {384, 768, 1536, 3071}) {
    for (Element element : kElements) {
      for (unsigned options : {0u, kAll}) Check(MakeCase(37, width, element, options, ++cases));
    }
  }
  return cases;
}

int ManyRows() {
  int cases = 0;
  for (int64_t rows : {2047, 5001}) {
    for (int64_t width : {2, 8, 19}) {
      Check(MakeCase(rows, width, kElements[cases % 3], kAll, cases));
      ++cases;
    }
  }
  return cases;
}

int ConstantRowsGiveBetaAndFiniteGradients() {
  int cases = 0;
  for (Element element : kElements) {
    Case c = MakeCase(4, 33, element, kBeta, ++cases);
    c.n.epsilon = 1e-12f;
    for (int64_t i = 0; i < c.size(); ++i) reference::Write(element, i / 33, c.x.data(), i);
    OnEveryInstructionSet(element, [&](const char* set) {
      const Outputs o = Run(c, 1);
      for (int64_t i = 0; i < c.size(); ++i) {
        const float beta = reference::Rounded(element, c.beta.data<float>()[i % 33]);
        const float y = reference::Read(element, o.y.data(), i);
        const float dx = reference::Read(element, o.dx.data(), i);
        const bool finite = element == Element::kFloat16 || std::isfinite(dx);  // 65504 is most
        if (y != beta || !finite || dx != dx) {
          Fail("%s on %s: y[%d] is %g, dx %g", c.name.c_str(), set, (int)i, y, dx);
          return;
        }
      }
    });
  }
  return cases;
}

// With x = 1 and no residual, s tells what was dropped.
int DropoutDropsExactlyWhatItSays() {
  int cases = 0;
  for (Element element : kElements) {
    for (float rate : {0.1f, 0.5f, 0.9999f}) {
      Case c = MakeCase(151, 230, element, kDropout, ++cases);
      c.n.dropout = rate;
      for (int64_t i = 0; i < c.size(); ++i) reference::Write(element, 1, c.x.data(), i);
      OnEveryInstructionSet(element, [&](const char* set) {
        const Outputs o = Run(c, 2);
        int64_t different = 0, dropped = 0;
        for (int64_t i = 0; i < c.size(); ++i) {
          const bool drops = reference::DropoutBits(c.n.seed, 0, i / 230, i % 230) <
                             reference::DropThreshold(rate);
          dropped += drops;
          different += drops != (reference::Read(element, o.sum.data(), i) == 0);
          different += drops && reference::Read(element, o.dx.data(), i) != 0;
        }
        if (different > 0 || dropped == 0) {
          Fail("%s on %s, dropout %g: %d differ, %d dropped", c.name.c_str(), set, rate,
               (int)different, (int)dropped);
        }
      });
    }
  }
  return cases;
}

int RefusalsNameTheirNumbers() {
  int cases = 0;
  Threads none(1, 0);
  const auto refuses = [&](const std::string& wanted, auto change) {
    AddNorm n;
    n.rows = 3, n.width = 5;
    change(n);
    for (const Problem problem :
         {CheckAddNorm(n), AddNormForward(n, {}, none), AddNormBackward(n, {}, none)}) {
      const std::string sentence = problem == nullptr ? "(no problem)" : problem;
      if (sentence.find(wanted) == std::string::npos || sentence.back() != '.') {
        Fail("no %s in: %s", wanted.c_str(), sentence.c_str());
      }
    }
    ++cases;
  };
  refuses("-3 rows of 5", [](auto& n) { n.rows = -3; });
  refuses("3 rows of 0", [](auto& n) { n.width = 0; });
  refuses("epsilon must be finite and above 0. Received: 0", [](auto& n) { n.epsilon = 0; });
  refuses("Received: nan", [](auto& n) { n.epsilon = NAN; });
  refuses("dropout must be at least 0", [](auto& n) { n.dropout = 1; });
  refuses("Received: -0.25", [](auto& n) { n.dropout = -0.25f; });
  const Case c = MakeCase(3, 5, Element::kFloat32, kAll, 1);
  Outputs o = Run(c, 1);
  const AddNormGradient g = {c.dy.data(), nullptr, o.sum.data(), o.mean.data<float>(),
                             o.rstd.data<float>(), c.gamma.data<float>(), o.dx.data(), nullptr,
                             nullptr, o.dgamma.data<float>(), nullptr};
  const Problem problem = AddNormBackward(c.n, g, none);
  if (problem == nullptr || std::strstr(problem, " bytes") == nullptr) Fail("no memory was fine");
  return cases + 1;
}

}  // namespace
}  // namespace knl

int main() {
  using namespace knl;
  Group("every remainder of features and rows", EveryRemainder);
  Group("every mix of options", EveryMixOfOptions);
  Group("widths of models", WidthsOfModels);
  Group("many rows", ManyRows);
  Group("constant rows give beta, finite gradients", ConstantRowsGiveBetaAndFiniteGradients);
  Group("dropout drops exactly what it says", DropoutDropsExactlyWhatItSays);
  Group("refusals name their numbers", RefusalsNameTheirNumbers);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
