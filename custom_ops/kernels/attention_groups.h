// Groups of cases of attention, each of them a promise of attention.h's, for whatever computes
// it. Those who are slow ask for fewer or smaller cases.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "attention_cases.h"

namespace knl {
namespace {

using Numbers = std::vector<int64_t>;

const int64_t kHeads[][2] = {{1, 1}, {3, 3}, {6, 2}, {5, 1}};

// Every pair of `lengths`, or `most` of them.
inline int EveryRemainder(const Compute& compute, const Numbers& lengths, size_t most) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (int64_t T : lengths) {
    for (int64_t S : lengths) pairs.push_back({T, S});
  }
  std::shuffle(pairs.begin(), pairs.end(), std::mt19937(1));
  pairs.resize(std::min(most, pairs.size()));
  Random random(1);
  int cases = 0;
  for (const auto& [T, S] : pairs) {
    const int64_t D = random.Of({1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 65});
    const unsigned options = random.Of({0u, 0u + kCausal, 0u + kKeep, kCausal | kDropout});
    Check(MakeCase({1 + random.Below(2), T, S, 1, 1, D}, kElements[cases % 3], options, cases),
          compute);
    ++cases;
  }
  return cases;
}

inline int EveryWidth(const Compute& compute, const Numbers& widths) {
  int cases = 0;
  for (int64_t D : widths) {
    for (Element element : kElements) {
      Check(MakeCase({2, 7, 67, 2, 1, D}, element, 0, ++cases), compute);
      Check(MakeCase({1, 50, 21, 2, 2, D}, element, kKeep | kDropout, ++cases), compute);
    }
  }
  return cases;
}

inline int EveryHeadAndBatch(const Compute& compute, const Numbers& batches) {
  int cases = 0;
  for (int64_t B : batches) {
    for (const auto& heads : kHeads) {
      for (Element element : kElements) {
        for (unsigned options : {0u, kBias | kLseGradient, kSplits | kDropout | kSlopes}) {
          Check(MakeCase({B, 13, 37, heads[0], heads[1], 11}, element, options, ++cases),
                compute);
        }
      }
    }
  }
  return cases;
}

// Some options choose among several values: `repeats` of each.
inline int EveryOptionAlone(const Compute& compute, const std::vector<Sizes>& all_sizes,
                            int repeats) {
  int cases = 0;
  for (int option = 0; option < kOptions; ++option) {
    for (Element element : kElements) {
      for (const Sizes& sizes : all_sizes) {
        for (int i = 0; i < repeats; ++i) {
          Check(MakeCase(sizes, element, 1u << option, ++cases), compute);
        }
      }
    }
  }
  return cases;
}

inline int RandomOptions(const Compute& compute, int count, int64_t longest,
                         const std::vector<int64_t>& widths) {
  for (int i = 0; i < count; ++i) {
    Random random(i);
    const auto length = [&] {
      const int64_t below = random.Of({4, 21, 71, 141, 261});
      return random.Below(std::min(below, longest + 1));
    };
    unsigned options = 0;
    for (int option = 0; option < kOptions; ++option) {
      if (random.Chance(1u << option == kHugeScores ? 0.05 : 0.25)) options |= 1u << option;
    }
    const auto& heads = kHeads[random.Below(4)];
    const int64_t B = random.Below(4), T = length(), S = length();
    const int64_t D = widths[random.Below(widths.size())];
    Check(MakeCase({B, T, S, heads[0], heads[1], D}, random.Of(kElements), options, i),
          compute);
  }
  return count;
}

// Long enough to be cut along the keys, and along the queries of a head.
inline int LongSequences(const Compute& compute, int most) {
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
      if (cases >= most) return cases;
      Check(MakeCase(sizes, kElements[cases % 3], options, cases), compute);
      ++cases;
    }
  }
  return cases;
}

// With q = 0 all weights are equal, and one-hot rows of v and dout carry each weight to an
// element of its own of out and dv. The width must reach queries and keys.
inline int DropoutDropsExactlyWhatItSays(const Compute& compute, const Sizes& sizes) {
  const uint32_t answers[][4] = {{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48},
                                 {0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}};
  for (uint32_t bits : {0u, 0xffffffffu}) {
    uint32_t x[4] = {bits, bits, bits, bits};
    reference::Philox(x, bits, bits);
    if (std::memcmp(x, answers[bits & 1], sizeof(x)) != 0) Fail("Philox4x32-7 of %u", bits);
  }
  const int64_t B = sizes.B, T = sizes.T, S = sizes.S, H = sizes.H, D = sizes.D;
  int cases = 0;
  for (Element element : kElements) {
    for (float rate : {0.1f, 0.5f, 1.0f / 65536}) {
      Case c = MakeCase(sizes, element, kDropout, ++cases);
      c.a.dropout = rate;
      for (int64_t i = 0; i < B * T * H * D; ++i) {
        reference::Write(element, 0, c.q.data(), i);
        reference::Write(element, i % D == i / D / H % T, c.dout.data(), i);
      }
      for (int64_t i = 0; i < B * S * D; ++i) {
        reference::Write(element, i % D == i / D % S, c.v.data(), i);
      }
      int64_t dropped = 0, all_dropped = 0;
      for (int64_t i = 0; i < B * T * H * S; ++i) {
        all_dropped += reference::Dropped(c.a, i / S / H / T, i / S % H, i / S / H % T, i % S);
      }
      compute(c, [&](const Way& way, const Outputs& o) {
        int64_t different = 0;
        dropped = 0;
        for (int64_t i = 0; i < B * T * H * D; ++i) {
          const int64_t key = i % D, head = i / D % H;
          const int64_t query = i / D / H % T, batch = i / D / H / T;
          if (key >= S) continue;
          const bool drops = reference::Dropped(c.a, batch, head, query, key);
          const bool is_zero = reference::Read(element, o.out.data(), i) == 0;
          dropped += is_zero;
          different += drops != is_zero;
        }
        for (int64_t i = 0; i < B * S * D; ++i) {  // dv sums over the heads
          const int64_t query = i % D, key = i / D % S, batch = i / D / S;
          bool drops = true;
          for (int64_t head = 0; head < H; ++head) {
            drops &= query >= T || reference::Dropped(c.a, batch, head, query, key);
          }
          different += drops != (reference::Read(element, o.dv.data(), i) == 0);
        }
        if (different > 0) {
          Fail("%s %s, dropout %g: %lld weights differ, %lld dropped instead of %lld",
               c.name.c_str(), way.name.c_str(), rate, (long long)different,
               (long long)dropped, (long long)all_dropped);
        }
      });
    }
  }
  return cases;
}

// With q = 0 and two keys, out is the mean of two rows of v: exact, but for one rounding.
inline int ResultsAreRoundedToNearest(const Compute& compute, int64_t batch) {
  for (Element element : kElements) {
    Case c = MakeCase({batch, 1, 2, 1, 1, 256}, element, 0, 1);
    Random random(2);
    for (int64_t i = 0; i < batch * 256; ++i) reference::Write(element, 0, c.q.data(), i);
    for (int64_t i = 0; i < batch * 2 * 256; ++i) {  // float16's range, subnormals included
      const float x = std::ldexp(random.Normal(), random.Below(40) - 26);
      reference::Write(element, x, c.v.data(), i);
    }
    compute(c, [&](const Way& way, const Outputs& o) {
      if (element == Element::kFloat32 && way.rounding > 0x1p-12) return;  // v is rounded, too
      for (int64_t i = 0; i < batch * 256; ++i) {
        const int64_t at = i / 256 * 512 + i % 256;
        const float first = reference::Read(element, c.v.data(), at);
        const float second = reference::Read(element, c.v.data(), at + 256);
        const float mean = (first + second) / 2;
        const float got = reference::Read(element, o.out.data(), i);
        const float wanted = reference::Rounded(element, mean);
        const double allowed = element != Element::kFloat32 || way.rounding == 0x1p-24
                                   ? 0
                                   : way.rounding * (std::fabs(first) + std::fabs(second));
        if (!(std::fabs(got - wanted) <= allowed)) {
          Fail("%s %s: %.9g became %.9g", c.name.c_str(), way.name.c_str(), mean, got);
          return;
        }
      }
    });
  }
  return 3 * batch * 256;
}

inline int QueriesWithoutKeys(const Compute& compute, const Sizes& sizes) {
  int cases = 0;
  for (Element element : kElements) {
    for (int kind = 0; kind < 4; ++kind) {
      Case c = MakeCase(sizes, element, kKeep | kBias | kSegments | kLseGradient, ++cases);
      Attention& a = c.a;
      std::memset(c.keep.data(), kind != 0, a.batch * a.keys);
      for (int64_t i = 0; i < a.bias_batch * a.bias_heads * a.queries * a.keys; ++i) {
        c.bias.data<float>()[i] = kind == 1 ? -INFINITY : 0.0f;
      }
      for (int64_t i = 0; i < a.batch * a.queries; ++i) {
        c.query_segments.data<int32_t>()[i] = 1;
      }
      for (int64_t i = 0; i < a.batch * a.keys; ++i) {
        c.key_segments.data<int32_t>()[i] = kind == 2 ? 2 : 1;
      }
      if (kind == 3) a.window_left = a.window_right = 0;  // first queries stand before all keys
      Check(c, compute);
    }
  }
  return cases;
}

}  // namespace
}  // namespace knl
