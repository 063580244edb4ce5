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
#include "cuda_hopper_backward.h"
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
    std::copy_n(data(), size, copy.data<uint8_t>());
    return copy;
  }
  double Largest(Element element, int64_t size) {
    double largest = 0;
    for (int64_t i = 0; i < size; ++i) {
      largest = std::max<double>(largest, std::fabs(reference::Read(element, data(), i)));
    }
    return largest;
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
  Aligned q, k, v, dout;
  Array dlse;
  std::vector<int64_t> query_splits, key_splits;

  Case(const Sizes& n, Element element, uint32_t seed, float deviation = 1.0f)
      : q(0), k(0), v(0), dout(0) {
    a.element = element;
    a.batch = n.B, a.queries = n.T, a.keys = n.S, a.heads = n.H, a.kv_heads = n.G;
    a.width = n.D;
    a.scale = 1 / std::sqrt(static_cast<float>(n.D));
    Random random(seed);
    // As many rows as a packed batch or B of one length need.
    q = AlignedNormals(element, n.B * n.T * n.H * n.D, deviation, random);
    k = AlignedNormals(element, n.B * n.S * n.G * n.D, deviation, random);
    v = AlignedNormals(element, n.B * n.S * n.G * n.D, 1.0f, random);
    dout = AlignedNormals(element, n.B * n.T * n.H * n.D, 1.0f, random);
    if (seed % 2 == 0) dlse = Normals(Element::kFloat32, n.B * n.T * n.H, 1.0f, random);
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

  void Drop(float rate) {
    a.dropout = rate;
    a.seed[0] = 0x12345678, a.seed[1] = 0x9abcdef0;
    name += " dropout " + std::to_string(rate);
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

struct Outputs {
  Array out, lse, dq, dk, dv;
};

Outputs Run(Case& c) {
  const Attention& a = c.a;
  const size_t q_bytes = QueryRows(a) * a.heads * a.width * 2;
  const size_t k_bytes = KeyRows(a) * a.kv_heads * a.width * 2;
  const size_t lse_bytes = QueryRows(a) * a.heads * 4;
  Aligned out(q_bytes), lse(lse_bytes), dq(q_bytes), dk(k_bytes), dv(k_bytes);
  const size_t scratch_bytes = cuda::HopperBackwardScratchBytes(a);
  Aligned scratch(scratch_bytes);
  float* lse_data = reinterpret_cast<float*>(lse.data());
  const char* problem = nullptr;
  if (!cuda::HopperForwardServes(a, c.q.data(), c.k.data(), c.v.data(), out.data()) ||
      !cuda::HopperBackwardServes(a, c.q.data(), c.k.data(), c.v.data(), out.data(),
                                  c.dout.data(), dq.data(), dk.data(), dv.data())) {
    problem = "not served";
  }
  if (problem == nullptr) {
    problem = cuda::HopperForward(a, a.seed, c.q.data(), c.k.data(), c.v.data(), out.data(),
                                  lse_data, nullptr);
  }
  if (problem == nullptr) {
    problem = cuda::HopperBackward(a, a.seed, c.q.data(), c.k.data(), c.v.data(), out.data(),
                                   lse_data, c.dout.data(), c.dlse.data<float>(), dq.data(),
                                   dk.data(), dv.data(), scratch.data(), nullptr);
  }
  if (problem != nullptr) Fail("%s: %s", c.name.c_str(), problem);
  if (!out.IntactAfter(q_bytes) || !lse.IntactAfter(lse_bytes) || !dq.IntactAfter(q_bytes) ||
      !dk.IntactAfter(k_bytes) || !dv.IntactAfter(k_bytes) ||
      !scratch.IntactAfter(scratch_bytes)) {
    Fail("%s: written outside an array", c.name.c_str());
  }
  return {out.Copy(q_bytes), lse.Copy(lse_bytes), dq.Copy(q_bytes), dk.Copy(k_bytes),
          dv.Copy(k_bytes)};
}

void Check(Case& c) {
  const Attention& a = c.a;
  const Outputs o = Run(c);
  const auto truth = reference::PlainAttention<double>(
      a, c.q.data(), c.k.data(), c.v.data(), c.dout.data(), c.dlse.data<float>());
  const auto plain = reference::PlainAttention<float>(
      a, c.q.data(), c.k.data(), c.v.data(), c.dout.data(), c.dlse.data<float>());
  // By what elements may be off that happen to come out exact in the plain formula.
  const double score = 3 * 0x1p-24 * (1 + truth.score_size);
  const double share = score + kRoundings[static_cast<int>(a.element)];
  const double scale = a.scale, difference = truth.gradient_size;
  const double least = a.element == Element::kFloat16 ? 0x1p-23 : 1e-37;  // subnormal
  const int64_t q_size = truth.out.size(), k_size = truth.dk.size();
  const double q = c.q.Largest(a.element, q_size), k = c.k.Largest(a.element, k_size);
  const double v = c.v.Largest(a.element, k_size), dout = c.dout.Largest(a.element, q_size);
  const double growth = 1 / (1 - a.dropout);
  const auto anything = [](int64_t) { return false; };
  const auto row_is_blind = [&](int64_t i) { return truth.lse[i / a.width] == -INFINITY; };
  const auto key_is_unseen = [&](int64_t i) { return !truth.seen[i / a.width]; };
  CompareArray(c.name, "out", a.element, o.out, truth.out, plain.out, share * growth * v + least,
               row_is_blind);
  CompareArray(c.name, "lse", Element::kFloat32, o.lse, truth.lse, plain.lse, score, anything);
  CompareArray(c.name, "dq", a.element, o.dq, truth.dq, plain.dq,
               share * difference * scale * k + least, row_is_blind);
  CompareArray(c.name, "dk", a.element, o.dk, truth.dk, plain.dk,
               share * difference * scale * q + least, key_is_unseen);
  CompareArray(c.name, "dv", a.element, o.dv, truth.dv, plain.dv,
               share * growth * dout + least, key_is_unseen);
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
      // All of the second sequence is NaN, and only its results may be.
      for (Aligned* array : {&c.q, &c.k, &c.v, &c.dout}) {
        for (int64_t i = 100 * D; i < 300 * D; ++i) {
          reference::Write(element, NAN, array->data(), i);
        }
      }
      const Outputs o = Run(c);
      for (const Array* array : {&o.out, &o.dq, &o.dk, &o.dv}) {
        for (int64_t i = 0; i < 300 * D; ++i) {
          const bool is_nan = std::isnan(reference::Read(element, array->data(), i));
          if (is_nan == (i >= 100 * D)) continue;
          Fail("%s: element %lld is%s NaN", c.name.c_str(), (long long)i, is_nan ? "" : " not");
          break;
        }
      }
    }
  }
  return cases;
}

int Dropout() {
  int cases = 0;
  for (int64_t D : kWidths) {
    for (Element element : kTypes) {
      for (float rate : {1e-6f, 0.1f, 0.5f, 0.9f}) {
        Case c({2, 140, 200, 2, 1, D}, element, ++cases);
        if (cases % 2 == 0) c.Window(-1, 0);
        if (cases % 4 == 1) c.Split({0, 37, 140}, {0, 130, 200});
        c.Drop(rate);
        Check(c);
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
    if (random.Chance(0.2)) c.Drop(0.3f);
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
  cuda::Gpu::Version() = 90;
  cuda::Gpu::SharedBytes() = 227 * 1024;
  Group("others are not served", OthersAreNotServed);
  Group("lengths at the edges of tiles", LengthsAtTheEdgesOfTiles);
  Group("every shape of blocks", EveryShape);
  Group("heads and sequences", HeadsAndSequences);
  Group("windows", Windows);
  Group("queries without keys", QueriesWithoutKeys);
  Group("packed sequences", PackedSequences);
  Group("packed sequences do not meet", SequencesDoNotMeet);
  Group("dropout", Dropout);
  Group("huge scores", HugeScores);
  Group("random cases", RandomCases);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
