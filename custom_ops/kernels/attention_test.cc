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
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "attention.h"
#include "attention_reference.h"
#include "testing.h"

namespace knl {
namespace {

using reference::KeyRows;
using reference::QueryRows;

// ---- Cases ----

enum Option : unsigned {
  kCausal = 1 << 0, kWindowLeft = 1 << 1, kWindowRight = 1 << 2, kKeep = 1 << 3,
  kSegments = 1 << 4, kBias = 1 << 5, kSplits = 1 << 6, kSlopes = 1 << 7,
  kSoftCap = 1 << 8, kScale = 1 << 9, kDropout = 1 << 10, kLseGradient = 1 << 11,
  kNoBiasGradient = 1 << 12, kHugeScores = 1 << 13,
};
constexpr int kOptions = 14;
const char* const kOptionNames[kOptions] = {
    "causal", "window_left", "window_right", "keep", "segments", "bias", "splits",
    "slopes", "soft_cap", "scale", "dropout", "dlse", "no_dbias", "huge"};

struct Sizes {
  int64_t B, T, S, H, G, D;
};

struct Case {
  std::string name;
  Attention a;
  Array q, k, v, dout, dlse, query_splits, key_splits, keep, query_segments, key_segments;
  Array bias, slopes;
  bool wants_dbias;
};

Array Splits(int64_t batch, int64_t total, Random& random) {
  Array array((batch + 1) * 8);
  int64_t* splits = array.data<int64_t>();
  splits[0] = 0;
  for (int64_t b = 1; b < batch; ++b) {
    splits[b] = random.Chance(0.3) ? random.Of({int64_t{0}, total}) : random.Below(total + 1);
  }
  splits[batch] = total;
  std::sort(splits, splits + batch);
  return array;
}

Array Segments(int64_t batch, int64_t size, bool sorted, Random& random) {
  Array array(batch * size * 4);
  for (int64_t b = 0; b < batch; ++b) {
    int32_t* row = array.data<int32_t>() + b * size;
    for (int64_t i = 0; i < size; ++i) row[i] = random.Of({INT32_MIN, -7, 0, 3, INT32_MAX});
    if (sorted) std::sort(row, row + size);
  }
  return array;
}

Array Keep(int64_t batch, int64_t keys, Random& random) {
  Array array(batch * keys);
  for (int64_t b = 0; b < batch; ++b) {
    const int kind = random.Below(4);  // padding alone, behind or before tokens, or holes
    const int64_t cut = random.Below(keys + 1);
    for (int64_t j = 0; j < keys; ++j) {
      array.data<uint8_t>()[b * keys + j] =
          kind == 0 ? 0 : kind == 1 ? j < cut : kind == 2 ? j >= cut : random.Chance(0.6);
    }
  }
  return array;
}

Array Bias(const Attention& a, Random& random) {
  const int64_t rows = a.bias_batch * a.bias_heads * a.queries;
  Array array = Normals(Element::kFloat32, rows * a.keys, 1.0f, random);
  for (int64_t row = 0; row < rows; ++row) {
    const double masked = random.Chance(0.1) ? 1.0 : random.Of({0.0, 0.2});
    for (int64_t j = 0; j < a.keys; ++j) {
      if (random.Chance(masked)) array.data<float>()[row * a.keys + j] = -INFINITY;
    }
  }
  return array;
}

std::string Describe(const Case& c, unsigned options, uint32_t seed) {
  const Attention& a = c.a;
  char text[256];
  std::snprintf(text, sizeof(text), "%s B=%d T=%d S=%d H=%d G=%d D=%d seed=%u",
                kElementNames[static_cast<int>(a.element)], (int)a.batch, (int)a.queries,
                (int)a.keys, (int)a.heads, (int)a.kv_heads, (int)a.width, seed);
  std::string name = text;
  for (int i = 0; i < kOptions; ++i) {
    if (options >> i & 1) name += std::string(" ") + kOptionNames[i];
  }
  return name;
}

Case MakeCase(const Sizes& n, Element element, unsigned options, uint32_t seed) {
  Random random(seed);
  Case c;
  Attention& a = c.a;
  a.element = element;
  a.batch = n.B, a.queries = n.T, a.keys = n.S, a.heads = n.H, a.kv_heads = n.G, a.width = n.D;
  if (options & kSplits) {
    options &= ~(kKeep | kSegments | kBias);
    if (a.batch == 0) a.queries = a.keys = 0;
    c.query_splits = Splits(a.batch, a.queries, random);
    c.key_splits = Splits(a.batch, a.keys, random);
    a.query_splits = c.query_splits.data<int64_t>();
    a.key_splits = c.key_splits.data<int64_t>();
  }
  c.name = Describe(c, options, seed);
  const int64_t kSides[] = {0, 1, 7, 63, 100, int64_t{1} << 40};
  if (options & kWindowLeft) a.window_left = random.Of(kSides);
  if (options & kWindowRight) a.window_right = random.Of(kSides);
  if (options & kCausal) a.window_right = 0;
  if (options & kKeep) {
    c.keep = Keep(a.batch, a.keys, random);
    a.keep = c.keep.data<uint8_t>();
  }
  if (options & kSegments) {
    const bool sorted = random.Chance(0.5);
    c.query_segments = Segments(a.batch, a.queries, sorted, random);
    c.key_segments = Segments(a.batch, a.keys, sorted, random);
    a.query_segments = c.query_segments.data<int32_t>();
    a.key_segments = c.key_segments.data<int32_t>();
    if (a.query_segments == nullptr || a.key_segments == nullptr) {
      a.query_segments = a.key_segments = nullptr;  // one side is empty: both or none
    }
  }
  if (options & kBias) {
    a.bias_batch = random.Chance(0.5) ? 1 : a.batch;
    a.bias_heads = random.Chance(0.5) ? 1 : a.heads;
    c.bias = Bias(a, random);
    a.bias = c.bias.data<float>();
  }
  if (options & kSlopes) {
    c.slopes = Normals(Element::kFloat32, a.heads, 0.3f, random);
    a.slopes = c.slopes.data<float>();
  }
  a.scale = 1 / std::sqrt(static_cast<float>(a.width));
  if (options & kScale) a.scale *= random.Of({-0.7f, 0.0f, 2.5f});
  if (options & kSoftCap) a.soft_cap = random.Of({0.5f, 5.0f, 50.0f});
  if (options & kDropout) {
    a.dropout = random.Of({0.1f, 0.5f, 0.9f});
    a.seed[0] = random.Below(int64_t{1} << 32);
    a.seed[1] = random.Below(int64_t{1} << 32);
  }
  const int64_t q_size = QueryRows(a) * a.heads * a.width;
  const int64_t k_size = KeyRows(a) * a.kv_heads * a.width;
  const float deviation = options & kHugeScores ? 60.0f : 1.0f;  // scores up to 1e4
  c.q = Normals(element, q_size, deviation, random);
  c.k = Normals(element, k_size, deviation, random);
  c.v = Normals(element, k_size, 1.0f, random);
  c.dout = Normals(element, q_size, 1.0f, random);
  if (options & kLseGradient) {
    c.dlse = Normals(Element::kFloat32, QueryRows(a) * a.heads, 1.0f, random);
  }
  c.wants_dbias = a.bias != nullptr && !(options & kNoBiasGradient);
  return c;
}

// ---- Running ----

struct Outputs {
  Problem problem = nullptr;
  Array out, lse, dq, dk, dv, dbias;

  bool operator==(const Outputs& o) const {
    return out == o.out && lse == o.lse && dq == o.dq && dk == o.dk && dv == o.dv &&
           dbias == o.dbias;
  }
};

Outputs Run(const Case& c, Workers& workers) {
  const Attention& a = c.a;
  const size_t element = reference::SizeOf(a.element);
  const size_t q_bytes = QueryRows(a) * a.heads * a.width * element;
  const size_t k_bytes = KeyRows(a) * a.kv_heads * a.width * element;
  Outputs o;
  o.out = o.dq = Array(q_bytes);
  o.dk = o.dv = Array(k_bytes);
  o.lse = Array(QueryRows(a) * a.heads * 4);
  if (c.wants_dbias) o.dbias = Array(a.bias_batch * a.bias_heads * a.queries * a.keys * 4);
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

void Compare(const Case& c, const std::string& where, const Outputs& o,
             const reference::Result<double>& truth, const reference::Result<float>& plain) {
  const Attention& a = c.a;
  // By what elements may be off that happen to come out exact in the plain formula: one
  // rounding of their type, and the error of weights, which relatively is the absolute one
  // of scores.
  const double score = 3 * 0x1p-24 * (1 + truth.score_size);
  const double share = score + kRoundings[static_cast<int>(a.element)];
  const double scale = std::fabs(a.scale), growth = 1 / (1 - a.dropout);
  const double difference = truth.gradient_size;
  const double least = a.element == Element::kFloat16 ? 0x1p-23 : 1e-37;  // subnormal
  const double q = Largest(a.element, c.q, truth.out.size());
  const double k = Largest(a.element, c.k, truth.dk.size());
  const double v = Largest(a.element, c.v, truth.dv.size());
  const double dout = Largest(a.element, c.dout, truth.out.size());

  const auto anything = [](int64_t) { return false; };
  const auto row_is_blind = [&](int64_t i) { return truth.lse[i / a.width] == -INFINITY; };
  const auto key_is_unseen = [&](int64_t i) { return !truth.seen[i / a.width]; };
  CompareArray(where, "out", a.element, o.out, truth.out, plain.out,
               share * growth * v + least, row_is_blind);
  CompareArray(where, "lse", Element::kFloat32, o.lse, truth.lse, plain.lse, score, anything);
  CompareArray(where, "dq", a.element, o.dq, truth.dq, plain.dq,
               share * difference * scale * k + least, row_is_blind);
  CompareArray(where, "dk", a.element, o.dk, truth.dk, plain.dk,
               share * difference * scale * q + least, key_is_unseen);
  CompareArray(where, "dv", a.element, o.dv, truth.dv, plain.dv,
               share * growth * dout + least, key_is_unseen);
  if (!c.wants_dbias) return;
  CompareArray(where, "dbias", Element::kFloat32, o.dbias, truth.dbias, plain.dbias,
               share * difference + least,
               [&](int64_t i) { return c.bias.data<float>()[i] == -INFINITY; });
}

void Check(const Case& c) {
  const auto truth = reference::PlainAttention<double>(
      c.a, c.q.data(), c.k.data(), c.v.data(), c.dout.data(), c.dlse.data<float>());
  const auto plain = reference::PlainAttention<float>(
      c.a, c.q.data(), c.k.data(), c.v.data(), c.dout.data(), c.dlse.data<float>());
  OnEveryInstructionSet(c.a.element, [&](const char* set) {
    const Outputs outputs = Run(c, 1);
    if (outputs.problem == nullptr) Compare(c, c.name + " on " + set, outputs, truth, plain);
    if (!(Run(c, 3) == outputs)) Fail("%s on %s: 3 workers differ from 1", c.name.c_str(), set);
  });
}

// ---- Groups of checks ----

int random_cases = 1000;

// `count` for a full run, fewer where fewer random cases are asked for.
int Count(int count) { return std::min(count, (count * random_cases + 999) / 1000); }

const int64_t kHeads[][2] = {{1, 1}, {3, 3}, {6, 2}, {5, 1}};

int EveryRemainder() {
  std::vector<int64_t> lengths;
  for (int64_t n = 0; n <= 20; ++n) lengths.push_back(n);
  for (int64_t n : {64, 128, 192}) lengths.insert(lengths.end(), {n - 1, n, n + 1});
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (int64_t T : lengths) {
    for (int64_t S : lengths) pairs.push_back({T, S});
  }
  std::shuffle(pairs.begin(), pairs.end(), std::mt19937(1));
  pairs.resize(Count(pairs.size()));
  Random random(1);
  int cases = 0;
  for (const auto& [T, S] : pairs) {
    const int64_t D = random.Of({1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 65});
    const unsigned options = random.Of({0u, 0u + kCausal, 0u + kKeep, kCausal | kDropout});
    Check(MakeCase({1 + random.Below(2), T, S, 1, 1, D}, kElements[cases % 3], options, cases));
    ++cases;
  }
  return cases;
}

int EveryWidth() {
  int cases = 0;
  for (int64_t D : {1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 96, 127, 128, 129,
                    200, 256}) {
    for (Element element : kElements) {
      Check(MakeCase({2, 7, 67, 2, 1, D}, element, 0, ++cases));
      Check(MakeCase({1, 50, 21, 2, 2, D}, element, kKeep | kDropout, ++cases));
    }
  }
  return cases;
}

int EveryHeadAndBatch() {
  int cases = 0;
  for (int64_t B : {0, 1, 2, 3}) {
    for (const auto& heads : kHeads) {
      for (Element element : kElements) {
        for (unsigned options : {0u, kBias | kLseGradient, kSplits | kDropout | kSlopes}) {
          Check(MakeCase({B, 13, 37, heads[0], heads[1], 11}, element, options, ++cases));
        }
      }
    }
  }
  return cases;
}

int EveryOptionAlone() {
  int cases = 0;
  const Sizes kSizes[] = {{3, 31, 70, 6, 2, 17}, {2, 101, 45, 2, 2, 33}, {2, 98, 131, 1, 1, 16}};
  for (int option = 0; option < kOptions; ++option) {
    for (Element element : kElements) {
      for (const Sizes& sizes : kSizes) {
        // Some options choose among several values.
        for (int i = 0; i < Count(3); ++i) {
          Check(MakeCase(sizes, element, 1u << option, ++cases));
        }
      }
    }
  }
  return cases;
}

int RandomOptions() {
  for (int i = 0; i < random_cases; ++i) {
    Random random(i);
    const auto length = [&] { return random.Below(random.Of({4, 21, 71, 141, 261})); };
    unsigned options = 0;
    for (int option = 0; option < kOptions; ++option) {
      if (random.Chance(1u << option == kHugeScores ? 0.05 : 0.25)) options |= 1u << option;
    }
    const auto& heads = kHeads[random.Below(4)];
    const int64_t B = random.Below(4), T = length(), S = length();
    Check(MakeCase({B, T, S, heads[0], heads[1], random.Of({1, 7, 16, 40, 64, 72})},
                   random.Of(kElements), options, i));
  }
  return random_cases;
}

// Long enough to be cut along the keys, and along the queries of a head.
int LongSequences() {
  const Sizes kSizes[] = {{1, 97, 513, 1, 1, 16}, {1, 130, 1030, 2, 1, 8},
                          {1, 3, 2100, 2, 2, 24}, {2, 300, 600, 1, 1, 5},
                          {3, 900, 1500, 1, 1, 4}, {1, 530, 530, 3, 3, 9}};
  const unsigned kMixes[] = {0,
                             kCausal | kDropout,
                             kWindowLeft | kCausal | kSlopes,
                             kSplits | kCausal,
                             kKeep | kSoftCap,
                             kSegments | kLseGradient,
                             kBias | kDropout | kCausal,
                             kSplits | kWindowLeft | kWindowRight | kDropout};
  int cases = 0;
  for (const Sizes& sizes : kSizes) {
    for (unsigned options : kMixes) {
      if (cases >= Count(48)) return cases;
      Check(MakeCase(sizes, kElements[cases % 3], options, cases));
      ++cases;
    }
  }
  return cases;
}

// With q = 0 all weights are equal, and one-hot rows of v and dout carry each weight to an
// element of its own of out and dv.
int DropoutDropsExactlyWhatItSays() {
  const uint32_t answers[][4] = {{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48},
                                 {0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}};
  for (uint32_t bits : {0u, 0xffffffffu}) {
    uint32_t x[4] = {bits, bits, bits, bits};
    reference::Philox(x, bits, bits);
    if (std::memcmp(x, answers[bits & 1], sizeof(x)) != 0) Fail("Philox4x32-7 of %u", bits);
  }
  int cases = 0;
  for (Element element : kElements) {
    for (float rate : {0.1f, 0.5f, 1.0f / 65536}) {
      Case c = MakeCase({2, 150, 230, 3, 1, 230}, element, kDropout, ++cases);
      c.a.dropout = rate;
      const int64_t T = c.a.queries, S = c.a.keys, H = c.a.heads, D = c.a.width;
      for (int64_t i = 0; i < 2 * T * H * D; ++i) {
        reference::Write(element, 0, c.q.data(), i);
        reference::Write(element, i % D == i / D / H % T, c.dout.data(), i);
      }
      for (int64_t i = 0; i < 2 * S * D; ++i) {
        reference::Write(element, i % D == i / D % S, c.v.data(), i);
      }
      int64_t dropped = 0;
      OnEveryInstructionSet(element, [&](const char* set) {
        const Outputs o = Run(c, 2);
        int64_t different = 0;
        for (int64_t i = 0; i < 2 * T * H * S; ++i) {
          const int64_t key = i % S, head = i / S % H;
          const int64_t query = i / S / H % T, batch = i / S / H / T;
          const bool drops = reference::Dropped(c.a, batch, head, query, key);
          dropped += drops;
          different += drops != (reference::Read(element, o.out.data(), i) == 0);
        }
        for (int64_t i = 0; i < 2 * S * D; ++i) {  // dv sums over the heads
          const int64_t query = i % D, key = i / D % S, batch = i / D / S;
          bool drops = true;
          for (int64_t head = 0; head < H; ++head) {
            drops &= query >= T || reference::Dropped(c.a, batch, head, query, key);
          }
          different += drops != (reference::Read(element, o.dv.data(), i) == 0);
        }
        if (different > 0 || dropped == 0) {
          Fail("%s on %s, dropout %g: %lld weights differ, %lld dropped", c.name.c_str(), set,
               rate, (long long)different, (long long)dropped);
        }
      });
    }
  }
  return cases;
}

// With q = 0 and two keys, out is the mean of two rows of v: exact, but for one rounding.
int ResultsAreRoundedToNearest() {
  for (Element element : kElements) {
    Case c = MakeCase({20, 1, 2, 1, 1, 256}, element, 0, 1);
    Random random(2);
    for (int64_t i = 0; i < 20 * 256; ++i) reference::Write(element, 0, c.q.data(), i);
    for (int64_t i = 0; i < 20 * 2 * 256; ++i) {  // float16's range, subnormals included
      const float x = std::ldexp(random.Normal(), random.Below(40) - 26);
      reference::Write(element, x, c.v.data(), i);
    }
    OnEveryInstructionSet(element, [&](const char* set) {
      const Outputs o = Run(c, 1);
      for (int64_t i = 0; i < 20 * 256; ++i) {
        const int64_t at = i / 256 * 512 + i % 256;
        const float mean = (reference::Read(element, c.v.data(), at) +
                            reference::Read(element, c.v.data(), at + 256)) / 2;
        const float got = reference::Read(element, o.out.data(), i);
        if (got != reference::Rounded(element, mean)) {
          Fail("%s on %s: %.9g became %.9g", c.name.c_str(), set, mean, got);
          return;
        }
      }
    });
  }
  return 3 * 20 * 256;
}

int QueriesWithoutKeys() {
  int cases = 0;
  for (Element element : kElements) {
    for (int kind = 0; kind < 4; ++kind) {
      Case c = MakeCase({2, 100, 70, 2, 1, 9}, element, kKeep | kBias | kSegments | kLseGradient,
                        ++cases);
      Attention& a = c.a;
      std::memset(c.keep.data(), kind != 0, 2 * a.keys);
      for (int64_t i = 0; i < a.bias_batch * a.bias_heads * a.queries * a.keys; ++i) {
        c.bias.data<float>()[i] = kind == 1 ? -INFINITY : 0.0f;
      }
      for (int64_t i = 0; i < 2 * a.queries; ++i) c.query_segments.data<int32_t>()[i] = 1;
      for (int64_t i = 0; i < 2 * a.keys; ++i) {
        c.key_segments.data<int32_t>()[i] = kind == 2 ? 2 : 1;
      }
      if (kind == 3) a.window_left = a.window_right = 0;  // 30 queries stand before all keys
      Check(c);
    }
  }
  return cases;
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
  Group("every remainder of queries and keys", EveryRemainder);
  Group("every width", EveryWidth);
  Group("every number of heads and sequences", EveryHeadAndBatch);
  Group("every option alone", EveryOptionAlone);
  Group("random options together", RandomOptions);
  Group("long sequences", LongSequences);
  Group("dropout drops exactly what it says", DropoutDropsExactlyWhatItSays);
  Group("results are rounded to nearest", ResultsAreRoundedToNearest);
  Group("queries without keys", QueriesWithoutKeys);
  Group("workers of many kinds", WorkersOfManyKinds);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
