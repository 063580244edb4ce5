// Holds attention for Hopper GPUs to the plain formula, on a processor that does a GPU's
// instructions (see cuda_emulated.h).
//
//   cuda_hopper_test [--cases N]   N random cases
#ifndef KNL_CUDA_EMULATED
#define KNL_CUDA_EMULATED
#endif

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "attention.h"
#include "attention_reference.h"
#include "cuda_hopper_forward.h"
#include "testing.h"

namespace knl {
namespace {

using reference::KeyRows;
using reference::QueryRows;

// ---- Cases ----

struct Sizes {
  int64_t B, T, S, H, G, D;
};

// Its first byte is aligned to 1,024 bytes, and the rest of its memory is NaN.
class Aligned {
 public:
  explicit Aligned(size_t size) : array_(size + 1024) {}
  uint8_t* data() {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(array_.data());
    return reinterpret_cast<uint8_t*>((begin + 1023) / 1024 * 1024);
  }
  Array Copy(size_t size) {
    Array copy(size);
    if (size > 0) std::memcpy(copy.data(), data(), size);
    return copy;
  }
  bool IntactAfter(size_t size) {
    for (size_t i = size; i < size + 16; ++i) {
      if (data()[i] != 0xff) return false;
    }
    return true;
  }

 private:
  Array array_;
};

Aligned AlignedNormals(Element element, int64_t size, float deviation, Random& random) {
  Aligned array(size * 2);
  for (int64_t i = 0; i < size; ++i) {
    reference::Write(element, random.Normal() * deviation, array.data(), i);
  }
  return array;
}

struct Case {
  std::string name;
  Attention a;
  Aligned q, k, v;
  std::vector<int64_t> query_splits, key_splits;

  Case(const Sizes& n, Element element, uint32_t seed, float deviation = 1.0f)
      : q(0), k(0), v(0) {
    a.element = element;
    a.batch = n.B, a.queries = n.T, a.keys = n.S, a.heads = n.H, a.kv_heads = n.G;
    a.width = n.D;
    a.scale = 1 / std::sqrt(static_cast<float>(n.D));
    Random random(seed);
    // As many rows as a packed batch or B of one length need.
    q = AlignedNormals(element, n.B * n.T * n.H * n.D, deviation, random);
    k = AlignedNormals(element, n.B * n.S * n.G * n.D, deviation, random);
    v = AlignedNormals(element, n.B * n.S * n.G * n.D, 1.0f, random);
    char text[200];
    std::snprintf(text, sizeof(text), "%s B=%d T=%d S=%d H=%d G=%d D=%d seed=%u",
                  kElementNames[static_cast<int>(element)], (int)n.B, (int)n.T, (int)n.S,
                  (int)n.H, (int)n.G, (int)n.D, seed);
    name = text;
  }

  void Window(int64_t left, int64_t right) {
    a.window_left = left, a.window_right = right;
    name += " window " + std::to_string(left) + " " + std::to_string(right);
  }

  void Split(std::vector<int64_t> queries, std::vector<int64_t> keys) {
    query_splits = std::move(queries), key_splits = std::move(keys);
    a.batch = query_splits.size() - 1;
    a.queries = query_splits.back(), a.keys = key_splits.back();
    a.query_splits = query_splits.data(), a.key_splits = key_splits.data();
    name += " split";
    for (int64_t b = 0; b <= a.batch && b < 6; ++b) {
      name += " " + std::to_string(query_splits[b]) + "/" + std::to_string(key_splits[b]);
    }
  }
};

// ---- Running ----

void Check(Case& c) {
  const Attention& a = c.a;
  const size_t q_bytes = QueryRows(a) * a.heads * a.width * 2;
  const size_t lse_bytes = QueryRows(a) * a.heads * 4;
  Aligned out(q_bytes), lse(lse_bytes), dout(q_bytes);
  if (!cuda::HopperForwardServes(a, c.q.data(), c.k.data(), c.v.data(), out.data())) {
    return Fail("%s: not served", c.name.c_str());
  }
  const char* problem =
      cuda::HopperForward(a, c.q.data(), c.k.data(), c.v.data(), out.data(),
                          reinterpret_cast<float*>(lse.data()), nullptr);
  if (problem != nullptr) return Fail("%s: %s", c.name.c_str(), problem);
  if (!out.IntactAfter(q_bytes) || !lse.IntactAfter(lse_bytes)) {
    Fail("%s: written outside an array", c.name.c_str());
  }
  std::memset(dout.data(), 0, q_bytes);
  const auto truth = reference::PlainAttention<double>(a, c.q.data(), c.k.data(), c.v.data(),
                                                       dout.data(), nullptr);
  const auto plain = reference::PlainAttention<float>(a, c.q.data(), c.k.data(), c.v.data(),
                                                      dout.data(), nullptr);
  const double score = 3 * 0x1p-24 * (1 + truth.score_size);
  const double share = score + kRoundings[static_cast<int>(a.element)];
  double largest = 0;
  for (int64_t i = 0; i < KeyRows(a) * a.kv_heads * a.width; ++i) {
    const double x = std::fabs(reference::Read(a.element, c.v.data(), i));
    if (x < INFINITY) largest = std::max(largest, x);
  }
  CompareArray(c.name, "out", a.element, out.Copy(q_bytes), truth.out, plain.out,
               share * largest + 0x1p-23,
               [&](int64_t i) { return truth.lse[i / a.width] == -INFINITY; });
  CompareArray(c.name, "lse", Element::kFloat32, lse.Copy(lse_bytes), truth.lse, plain.lse,
               score, [](int64_t) { return false; });
}

// ---- Groups of checks ----

int random_cases = 60;

const Element kTypes[] = {Element::kBFloat16, Element::kFloat16};
const int64_t kWidths[] = {64, 128};

int LengthsAtTheEdgesOfTiles() {
  int cases = 0;
  for (int64_t T : {1, 63, 128, 129, 200, 300}) {
    for (int64_t S : {1, 63, 128, 129, 200, 300}) {
      Case c({1, T, S, 1, 1, kWidths[cases % 2]}, kTypes[cases / 2 % 2], cases);
      if (cases % 3 == 0) c.Window(-1, 0);
      Check(c);
      ++cases;
    }
  }
  return cases;
}

int EveryShape() {
  int cases = 0;
  for (Element element : kTypes) {
    for (int64_t D : kWidths) {
      for (int64_t T : {130, 190, 385}) {  // blocks of 128 rows or of 192
        for (int64_t right : {-1, 0}) {
          Case c({1, T, 600, 1, 1, D}, element, ++cases);
          c.Window(-1, right);
          Check(c);
        }
      }
    }
  }
  return cases;
}

int HeadsAndSequences() {
  int cases = 0;
  for (int64_t D : kWidths) {
    for (auto [H, G] : {std::pair<int64_t, int64_t>{3, 3}, {6, 2}, {4, 1}}) {
      for (int64_t right : {-1, 0}) {
        Case c({2, 133, 150, H, G, D}, kTypes[cases % 2], cases);
        ++cases;
        c.Window(-1, right);
        Check(c);
      }
    }
  }
  return cases;
}

int Windows() {
  int cases = 0;
  for (int64_t D : kWidths) {
    for (auto [left, right] : {std::pair<int64_t, int64_t>{0, 0}, {5, 0}, {130, 7}, {-1, 100},
                               {64, -1}, {int64_t{1} << 40, int64_t{1} << 50}, {0, -1}}) {
      for (auto [T, S] : {std::pair<int64_t, int64_t>{300, 300}, {140, 500}, {330, 70}}) {
        Case c({1, T, S, 1, 1, D}, kTypes[cases % 2], cases);
        ++cases;
        c.Window(left, right);
        Check(c);
      }
    }
  }
  return cases;
}

int QueriesWithoutKeys() {
  int cases = 0;
  for (int64_t D : kWidths) {
    for (int64_t T : {5, 300}) {
      Case c({2, T, 3, 2, 1, D}, kTypes[cases % 2], cases);
        ++cases;
      c.Window(-1, 0);  // all but the last three
      Check(c);
    }
  }
  return cases;
}

int PackedSequences() {
  int cases = 0;
  for (int64_t D : kWidths) {
    for (Element element : kTypes) {
      for (int64_t right : {-1, 0}) {
        Case c({1, 420, 500, 2, 1, D}, element, ++cases);
        c.Window(-1, right);
        c.Split({0, 0, 1, 130, 130, 330, 420, 420}, {0, 40, 41, 200, 260, 390, 390, 500});
        Check(c);
      }
    }
    Case many({1, 100, 150, 1, 1, D}, Element::kBFloat16, ++cases);
    std::vector<int64_t> queries = {0}, keys = {0};
    for (int b = 1; b <= 70; ++b) {
      queries.push_back(std::min(100, b * 2 - b % 3));
      keys.push_back(std::min(150, b * 2 + b % 5));
    }
    queries.back() = 100, keys.back() = 150;
    std::sort(queries.begin(), queries.end());
    std::sort(keys.begin(), keys.end());
    many.Split(queries, keys);
    Check(many);
  }
  return cases;
}

int SequencesDoNotMeet() {
  int cases = 0;
  for (int64_t D : kWidths) {
    for (Element element : kTypes) {
      Case c({1, 300, 300, 1, 1, D}, element, ++cases);
      c.Split({0, 100, 300}, {0, 100, 300});
      // Neither sequence may show the other's rows: keys and values of the second are NaN,
      // and only its results may be.
      const Attention& a = c.a;
      for (int64_t i = 100 * D; i < 300 * D; ++i) {
        reference::Write(element, NAN, c.k.data(), i);
        reference::Write(element, NAN, c.v.data(), i);
      }
      Aligned out(300 * D * 2);
      const char* problem = cuda::HopperForward(a, c.q.data(), c.k.data(), c.v.data(),
                                                out.data(), nullptr, nullptr);
      if (problem != nullptr) Fail("%s: %s", c.name.c_str(), problem);
      for (int64_t i = 0; i < 300 * D; ++i) {
        const bool is_nan = std::isnan(reference::Read(element, out.data(), i));
        if (is_nan != (i >= 100 * D)) {
          Fail("%s: out[%lld] is%s NaN", c.name.c_str(), (long long)i, is_nan ? "" : " not");
          break;
        }
      }
    }
  }
  return cases;
}

int HugeScores() {
  int cases = 0;
  for (int64_t D : kWidths) {
    for (Element element : kTypes) {
      Case c({1, 140, 300, 1, 1, D}, element, ++cases, 60.0f);
      Check(c);
    }
  }
  return cases;
}

int RandomCases() {
  for (int i = 0; i < random_cases; ++i) {
    Random random(1000 + i);
    const int64_t G = 1 + random.Below(2), H = G * (1 + random.Below(2));
    const int64_t T = 1 + random.Below(400), S = 1 + random.Below(700);
    const int64_t B = 1 + random.Below(3);
    Case c({random.Chance(0.3) ? B : 1, T, S, H, G, random.Of(kWidths)}, random.Of(kTypes), i);
    if (random.Chance(0.6)) {
      c.Window(random.Of({int64_t{-1}, random.Below(300)}),
               random.Of({int64_t{-1}, int64_t{0}, random.Below(300)}));
    }
    if (c.a.batch == 1 && random.Chance(0.5)) {
      std::vector<int64_t> queries = {0, T}, keys = {0, S};
      for (int64_t b = random.Below(6); b > 0; --b) {
        queries.push_back(random.Below(T + 1));
        keys.push_back(random.Below(S + 1));
      }
      std::sort(queries.begin(), queries.end());
      std::sort(keys.begin(), keys.end());
      c.Split(queries, keys);
    }
    Check(c);
  }
  return random_cases;
}

int OthersAreNotServed() {
  int cases = 0;
  const auto refuses = [&](auto change) {
    Case c({1, 8, 8, 2, 1, 64}, Element::kBFloat16, 1);
    Aligned out(8 * 2 * 64 * 2);
    const void* q = c.q.data();
    change(c.a, q);
    ++cases;
    if (cuda::HopperForwardServes(c.a, q, c.k.data(), c.v.data(), out.data())) {
      Fail("case %d is served", cases);
    }
  };
  refuses([](Attention& a, const void*&) { a.element = Element::kFloat32; });
  refuses([](Attention& a, const void*&) { a.width = 72; });
  refuses([](Attention& a, const void*&) { a.scale = 0; });
  refuses([](Attention& a, const void*&) { a.scale = -1; });
  refuses([](Attention& a, const void*&) { a.soft_cap = 1; });
  refuses([](Attention& a, const void*&) { a.dropout = 0.1f; });
  refuses([](Attention& a, const void*&) { a.keys = 0; });
  refuses([](Attention&, const void*& q) { q = static_cast<const char*>(q) + 8; });
  static const float number = 0;
  refuses([](Attention& a, const void*&) { a.bias = &number; });
  refuses([](Attention& a, const void*&) { a.slopes = &number; });
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
  Group("others are not served", OthersAreNotServed);
  Group("lengths at the edges of tiles", LengthsAtTheEdgesOfTiles);
  Group("every shape of blocks", EveryShape);
  Group("heads and sequences", HeadsAndSequences);
  Group("windows", Windows);
  Group("queries without keys", QueriesWithoutKeys);
  Group("packed sequences", PackedSequences);
  Group("packed sequences do not meet", SequencesDoNotMeet);
  Group("huge scores", HugeScores);
  Group("random cases", RandomCases);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
