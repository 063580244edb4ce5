// Holds attention on NVIDIA GPUs to the plain formula, case by case and group by group. The
// same checks run where the GPU is emulated; there, fewer and smaller ones.
//
// Every array lies between zones of NaN on the device; what reads them spoils its sums, and
// what writes there shows. Outputs and scratch begin as NaN.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "attention_cases.h"
#include "attention_cuda.h"
#include "attention_groups.h"
#include "cached_attention_cases.h"
#include "cuda_memory_for_tests.h"
#include "testing.h"

namespace knl {
namespace {

// How much to check.
struct CheckSize {
  int random_cases = 1000;
  // All precisions of a case, not one of them in turn; sizes that only a GPU is fast enough
  // for.
  bool full = true;
};

// ---- Running ----

// Which arrays begin `elements` elements behind an address that vectors could be read from,
// a bit each: q, k, v, out, lse, dout, dlse, dq, dk, dv, dbias, bias, slopes, keep, segments.
struct Unaligned {
  unsigned arrays = 0;
  int elements = 0;
};
constexpr int kArrays = 15;

int refused = 0;  // cases that the device does not serve, and says so

Outputs Run(const Case& c, CudaPrecision precision, Unaligned unaligned,
            gpu::TestDevice& device) {
  using gpu::Copy;
  gpu::Doing() = c.name;
  const int64_t element = reference::SizeOf(c.a.element);
  const auto off = [&](int array, int64_t size) {
    return unaligned.arrays >> array & 1 ? unaligned.elements * size : 0;
  };
  Outputs o = OutputsOf(c);
  const Copy q(c.q, off(0, element)), k(c.k, off(1, element)), v(c.v, off(2, element));
  const Copy out(o.out, off(3, element)), lse(o.lse, off(4, 4));
  const Copy dout(c.dout, off(5, element)), dlse(c.dlse, off(6, 4));
  const Copy dq(o.dq, off(7, element)), dk(o.dk, off(8, element)), dv(o.dv, off(9, element));
  const Copy dbias(o.dbias, off(10, 4)), bias(c.bias, off(11, 4));
  const Copy slopes(c.slopes, off(12, 4)), keep(c.keep, off(13, 1));
  const Copy query_segments(c.query_segments, off(14, 4));
  const Copy key_segments(c.key_segments, off(14, 4));
  const Copy query_splits(c.query_splits), key_splits(c.key_splits);
  Array seeds(c.a.dropout > 0 ? 8 : 0);
  if (c.a.dropout > 0) std::memcpy(seeds.data(), c.a.seed, 8);
  const Copy seed(seeds);

  Attention a = c.a;
  a.seed[0] = a.seed[1] = 0xdeadbeef;  // not to be read
  a.query_splits = query_splits.data<int64_t>(), a.key_splits = key_splits.data<int64_t>();
  a.keep = keep.data<uint8_t>(), a.bias = bias.data<float>();
  a.slopes = slopes.data<float>();
  if (a.query_segments != nullptr) {
    a.query_segments = query_segments.data<int32_t>();
    a.key_segments = key_segments.data<int32_t>();
  }
  gpu::Synchronize();
  o.problem = CudaAttentionForward(a, seed.data<uint32_t>(), q.data(), k.data(), v.data(),
                                   out.data(), lse.data<float>(), precision, device);
  if (o.problem == nullptr) {
    o.problem = CudaAttentionBackward(
        a, seed.data<uint32_t>(), q.data(), k.data(), v.data(), out.data(), lse.data<float>(),
        dout.data(), dlse.data<float>(), dq.data(), dk.data(), dv.data(), dbias.data<float>(),
        precision, device);
  }
  gpu::Synchronize();
  for (const Copy* array : {&out, &lse, &dq, &dk, &dv, &dbias}) {
    if (!array->IntactAround()) Fail("%s: written outside an array", c.name.c_str());
  }
  for (const Copy* array : {&q, &k, &v, &dout, &dlse, &bias, &slopes, &keep, &query_segments,
                            &key_segments, &query_splits, &key_splits, &seed}) {
    if (!array->Intact()) Fail("%s: written to an input", c.name.c_str());
  }
  if (!device.IntactAround()) Fail("%s: written outside of scratch", c.name.c_str());
  o.out = out.Downloaded(), o.lse = lse.Downloaded();
  o.dq = dq.Downloaded(), o.dk = dk.Downloaded(), o.dv = dv.Downloaded();
  o.dbias = dbias.Downloaded();
  return o;
}

Outputs Run(const Case& c, CudaPrecision precision = {}, Unaligned unaligned = {}) {
  gpu::TestDevice device;
  return Run(c, precision, unaligned, device);
}

// Whether the device has kernels for it; if not, that calls say why.
bool Serves(const Case& c) {
  Problem why = nullptr;
  if (CudaImplementation(c.a.element, c.a.width, &why) != nullptr) return true;
  ++refused;
  const std::string sentence = why == nullptr ? "(nothing)" : why;
  const Outputs o = Run(c);
  const std::string told = o.problem == nullptr ? "(nothing)" : o.problem;
  if (sentence.back() != '.' || told != sentence) {
    Fail("%s: is not served, for \"%s\", but calls say \"%s\"", c.name.c_str(),
         sentence.c_str(), told.c_str());
  }
  return false;
}

// Makes a Compute that runs a case with every precision, or with one of them in turn.
Compute OnGpu(const CheckSize& size, Unaligned unaligned = {}) {
  return [size, unaligned](const Case& c, const Show& show) {
    if (!Serves(c)) return;
    const bool is_float = c.a.element == Element::kFloat32;
    // The sum of two numbers of TF32 holds 22 bits.
    const double rounding = is_float ? 0x1p-22 : 0x1p-24;
    static int turn = 0;
    const int ways = is_float ? 3 : 2;
    for (int way = 0; way < ways; ++way) {
      if (!size.full && way != turn % ways) continue;
      CudaPrecision precision;
      precision.deterministic = way == 1, precision.tf32 = way == 2;
      const char* names[] = {"", "deterministic", "tf32"};
      const Outputs o = Run(c, precision, unaligned);
      if (o.problem != nullptr) {
        Fail("%s %s: %s", c.name.c_str(), names[way], o.problem);
        continue;
      }
      show({names[way], precision.tf32 ? 0x1p-10 : rounding}, o);
      if (precision.deterministic && !(Run(c, precision, unaligned) == o)) {
        Fail("%s: two deterministic runs differ", c.name.c_str());
      }
    }
    ++turn;
  };
}

// ---- Groups of checks that only GPUs need ----

int ImplementationsAreNamed() {
  int cases = 0;
  for (Element element : kElements) {
    std::string last;
    for (int64_t width = 1; width <= kMaxWidth; ++width) {
      Problem why = nullptr;
      const char* name = CudaImplementation(element, width, &why);
      if (name == nullptr && why == nullptr) {
        Fail("%s, width %d: neither a name nor a reason",
             kElementNames[static_cast<int>(element)], (int)width);
      }
      const std::string now = name != nullptr ? name : why != nullptr ? why : "nothing";
      if (now != last) {
        std::printf("       %s from width %d on: %s\n",
                    kElementNames[static_cast<int>(element)], (int)width, now.c_str());
      }
      last = now;
      ++cases;
    }
  }
  return cases;
}

int FloatErrsLittle(bool full) {
  double largest = 0;
  int cases = 0;
  const auto look = [&](const char* name, const Array& array, const std::vector<double>& truth) {
    double error = 0, size = 0;
    for (size_t i = 0; i < truth.size(); ++i) {
      const double distance = std::fabs(array.data<float>()[i] - truth[i]);
      error = distance <= error ? error : distance;
      size = std::max(size, std::fabs(truth[i]));
    }
    if (!(error < 1e-5 * size)) Fail("float32's %s errs by %g of %g", name, error, size);
    largest = std::max(largest, error / size);
  };
  for (int64_t width : {32, 64, 128}) {
    for (unsigned options : {0u, 0u + kCausal, kSplits | kDropout}) {
      if (!full && (width > 32 || options != 0)) continue;
      const int64_t length = full ? 300 : 70;
      const Case c = MakeCase({2, length, length, 2, 1, width}, Element::kFloat32, options,
                              ++cases);
      if (!Serves(c)) continue;
      const auto truth = reference::PlainAttention<double>(c.a, c.q.data(), c.k.data(),
                                                           c.v.data(), c.dout.data(), nullptr);
      const Outputs o = Run(c);
      if (o.problem != nullptr) {
        Fail("%s: %s", c.name.c_str(), o.problem);
        continue;
      }
      look("out", o.out, truth.out);
      look("dq", o.dq, truth.dq);
      look("dk", o.dk, truth.dk);
      look("dv", o.dv, truth.dv);
    }
  }
  std::printf("       float32 errs by %.2g of its largest number\n", largest);
  return cases;
}

// Each array alone begins anywhere, then all of them do.
int ArraysBeginAnywhere(const CheckSize& size) {
  int cases = 0;
  for (Element element : kElements) {
    for (int array = 0; array <= kArrays; ++array) {
      if (!size.full && array < kArrays && array % 3 != cases / 3 % 3) continue;
      const unsigned options =
          array % 2 ? 0u + kCausal : kBias | kSlopes | kKeep | kSegments | kLseGradient;
      const Unaligned unaligned = {array == kArrays ? (1u << kArrays) - 1 : 1u << array,
                                   1 + array % 3};
      for (int64_t D : {16, 64, 128}) {
        if (!size.full && D > 16 && array < kArrays) continue;
        Check(MakeCase({1, 67, 72, 2, 1, D}, element, options, ++cases),
              OnGpu(size, unaligned));
      }
    }
  }
  return cases;
}

// More blocks than the second and third numbers of a grid can count.
int LargeGrids(const CheckSize& size) {
  const Sizes kSizes[] = {{70000, 1, 2, 1, 1, 8},     {1, 2, 1, 65535, 65535, 8},
                          {300, 2, 3, 300, 100, 4},   {1, 4300000, 1, 1, 1, 1},
                          {1, 1, 4300000, 1, 1, 1}};
  int cases = 0;
  for (const Sizes& sizes : kSizes) {
    Case c = MakeCase(sizes, kElements[cases % 3], 0, cases);
    if (c.a.keys > 1000) c.a.window_left = 100;  // a sum of millions would say little
    Check(c, OnGpu({size.random_cases, false}));
    ++cases;
  }
  return cases;
}

// A packed batch whose second sequence begins behind 2^31 elements of q, then of k.
int LargeArrays() {
  const auto behind = [](const Array& small, int64_t rows, int64_t row_bytes, bool is_input) {
    gpu::Guarded memory(rows * row_bytes + small.size());
    uint8_t* begin = static_cast<uint8_t*>(memory.data());
    if (begin == nullptr) return memory;
    if (is_input) gpu::Fill(begin, 0, rows * row_bytes);
    gpu::Upload(begin + rows * row_bytes, small.data(), small.size());
    return memory;
  };
  int cases = 0;
  for (bool queries : {true, false}) {
    Case c = MakeCase({1, 70, 90, 2, 2, 128}, Element::kBFloat16, kSplits, ++cases);
    c.name += queries ? " behind 2^31 elements of q" : " behind 2^31 elements of k";
    gpu::Doing() = c.name;
    if (!Serves(c)) continue;
    const int64_t rows = (int64_t{1} << 31) / 256 + 100, q_rows = queries ? rows : 0;
    const int64_t k_rows = rows - q_rows;
    Outputs o = OutputsOf(c);
    const gpu::Guarded q = behind(c.q, q_rows, 512, true), k = behind(c.k, k_rows, 512, true);
    const gpu::Guarded v = behind(c.v, k_rows, 512, true);
    const gpu::Guarded dout = behind(c.dout, q_rows, 512, true);
    const gpu::Guarded out = behind(o.out, q_rows, 512, false);
    const gpu::Guarded lse = behind(o.lse, q_rows, 8, false);
    const gpu::Guarded dq = behind(o.dq, q_rows, 512, false);
    const gpu::Guarded dk = behind(o.dk, k_rows, 512, false);
    const gpu::Guarded dv = behind(o.dv, k_rows, 512, false);
    // All that may be scratch, too.
    const void* most = gpu::Allocate((size_t{1} << 31) * 5);
    bool fits = most != nullptr;
    for (const gpu::Guarded* array : {&q, &k, &v, &dout, &out, &lse, &dq, &dk, &dv}) {
      fits &= array->data() != nullptr;
    }
    if (most != nullptr) gpu::Free(const_cast<void*>(most));
    if (!fits) {
      std::printf("       left out, since 30 GB are not free:%s\n",
                  queries ? " queries" : " keys");
      continue;
    }
    Attention a = c.a;
    a.batch = 2, a.queries += q_rows, a.keys += k_rows;
    Array query_splits(24), key_splits(24);
    const int64_t q_splits[] = {0, q_rows, a.queries}, k_splits[] = {0, k_rows, a.keys};
    std::memcpy(query_splits.data(), q_splits, 24);
    std::memcpy(key_splits.data(), k_splits, 24);
    const gpu::Copy device_q_splits(query_splits), device_k_splits(key_splits);
    a.query_splits = device_q_splits.data<int64_t>();
    a.key_splits = device_k_splits.data<int64_t>();
    gpu::TestDevice device;
    gpu::Synchronize();
    o.problem = CudaAttentionForward(a, nullptr, q.data(), k.data(), v.data(), out.data(),
                                     static_cast<float*>(lse.data()), {}, device);
    if (o.problem == nullptr) {
      o.problem = CudaAttentionBackward(a, nullptr, q.data(), k.data(), v.data(), out.data(),
                                        static_cast<float*>(lse.data()), dout.data(), nullptr,
                                        dq.data(), dk.data(), dv.data(), nullptr, {}, device);
    }
    gpu::Synchronize();
    if (o.problem != nullptr) {
      Fail("%s: %s", c.name.c_str(), o.problem);
      continue;
    }
    const auto tail = [](Array& small, const gpu::Guarded& memory, int64_t bytes) {
      gpu::Download(small.data(), static_cast<uint8_t*>(memory.data()) + bytes, small.size());
    };
    tail(o.out, out, q_rows * 512), tail(o.lse, lse, q_rows * 8), tail(o.dq, dq, q_rows * 512);
    tail(o.dk, dk, k_rows * 512), tail(o.dv, dv, k_rows * 512);
    Check(c, [&](const Case&, const Show& show) { show({"", 0x1p-24}, o); });
    // Those before have nothing to attend to, or nothing that attends to them.
    for (const gpu::Guarded* array : {queries ? &out : &dk, queries ? &dq : &dv}) {
      for (int64_t at : {int64_t{0}, rows / 2 * 512, (rows - 64) * 512}) {
        std::vector<uint8_t> zeros(64 * 512);
        gpu::Download(zeros.data(), static_cast<uint8_t*>(array->data()) + at, zeros.size());
        if (std::count(zeros.begin(), zeros.end(), 0) != (int64_t)zeros.size()) {
          Fail("%s: not zeros before it", c.name.c_str());
        }
      }
    }
    for (const gpu::Guarded* array : {&out, &lse, &dq, &dk, &dv}) {
      if (!array->IntactAround()) Fail("%s: written outside an array", c.name.c_str());
    }
    if (!device.IntactAround()) Fail("%s: written outside of scratch", c.name.c_str());
  }
  return cases;
}

int TooLittleMemoryIsTold() {
  int cases = 0;
  for (Element element : kElements) {
    for (bool deterministic : {false, true}) {
      const Case c = MakeCase({1, 70, 40, 2, 1, 16}, element, kCausal, ++cases);
      if (!Serves(c)) continue;
      CudaPrecision precision;
      precision.deterministic = deterministic;
      for (int allocations = 0;; ++allocations) {
        gpu::TestDevice poor(allocations);
        const Problem problem = Run(c, precision, {}, poor).problem;
        if (problem == nullptr && allocations > 0) break;
        if (problem == nullptr || std::strpbrk(problem, "0123456789") == nullptr) {
          Fail("%s: %d allocations gave %s", c.name.c_str(), allocations,
               problem == nullptr ? "no problem" : problem);
          break;
        }
      }
    }
  }
  return cases;
}

// Arrays are null: were a call not refused, it would end the program.
int RefusalsNameTheirNumbers() {
  int cases = 0;
  const auto contains = [](Problem problem, const std::vector<std::string>& wanted) {
    const std::string sentence = problem == nullptr ? "(no problem)" : problem;
    for (const std::string& part : wanted) {
      if (sentence.find(part) == std::string::npos || sentence.back() != '.') {
        Fail("no %s in: %s", part.c_str(), sentence.c_str());
      }
    }
  };
  const auto refuses = [&](const std::vector<std::string>& wanted, auto change) {
    Attention a;
    a.batch = 2, a.queries = a.keys = 5, a.heads = 6, a.kv_heads = 3, a.width = 8;
    change(a);
    gpu::Doing() = "refusing " + wanted[0];
    gpu::TestDevice none(0);
    contains(CudaAttentionForward(a, nullptr, 0, 0, 0, 0, nullptr, {}, none), wanted);
    contains(CudaAttentionBackward(a, nullptr, 0, 0, 0, 0, nullptr, 0, nullptr, 0, 0, 0,
                                   nullptr, {}, none),
             wanted);
    gpu::Synchronize();
    ++cases;
  };
  const gpu::Copy something(Array(64));
  refuses({"-2", "-3", "-4"}, [](auto& a) { a.batch = -2, a.queries = -3, a.keys = -4; });
  refuses({"256", "257"}, [](auto& a) { a.width = 257; });
  refuses({"6", "4"}, [](auto& a) { a.kv_heads = 4; });
  refuses({"scale", "inf"}, [](auto& a) { a.scale = INFINITY; });
  refuses({"soft_cap", "-1.5"}, [](auto& a) { a.soft_cap = -1.5f; });
  refuses({"-2", "7"}, [](auto& a) { a.window_left = -2, a.window_right = 7; });
  refuses({"dropout", "1"}, [](auto& a) { a.dropout = 1; });
  refuses({"splits"}, [&](auto& a) { a.query_splits = something.data<int64_t>(); });
  refuses({"egments"}, [&](auto& a) { a.key_segments = something.data<int32_t>(); });
  refuses({"padding"}, [&](auto& a) {
    a.query_splits = a.key_splits = something.data<int64_t>();
    a.keep = something.data<uint8_t>();
  });
  refuses({"bias", "2", "3"},
          [&](auto& a) { a.bias = something.data<float>(), a.bias_batch = 3; });
  const auto refuses_cached = [&](const std::string& wanted, auto change) {
    CachedAttention a;
    a.rows = 6, a.queries = 2, a.columns = 9, a.index = 3;
    a.heads = 4, a.kv_heads = 2, a.width = 8;
    change(a);
    gpu::Doing() = "refusing " + wanted;
    gpu::TestDevice none(0);
    contains(CudaCachedAttentionForward(a, 0, 0, 0, 0, 0, none), {wanted});
    ++cases;
  };
  refuses_cached("Received: 4 and 3 heads", [](auto& a) { a.kv_heads = 3; });
  refuses_cached("2 tokens from column 8 on, 9 columns", [](auto& a) { a.index = 8; });
  refuses_cached("6 rows, beams=4", [](auto& a) { a.beams = 4; });
  return cases;
}

// ---- Cached attention ----

namespace cached {

Outputs Run(const Case& c, int elements_off) {
  using gpu::Copy;
  gpu::Doing() = c.name;
  const size_t off = elements_off * reference::SizeOf(c.a.element);
  const size_t cache_off = elements_off * reference::SizeOf(c.a.cache_element);
  const Copy q(c.q, off), k(c.k, off), v(c.v, off), cache(c.cache, cache_off);
  const Copy out(Array(c.q_size() * reference::SizeOf(c.a.element)), off);
  const Copy starts(c.starts, elements_off * 4), ancestors(c.ancestors, elements_off * 4);
  const Copy slopes(c.slopes, elements_off * 4);
  CachedAttention a = c.a;
  a.starts = starts.data<int32_t>(), a.ancestors = ancestors.data<int32_t>();
  a.slopes = slopes.data<float>();
  gpu::TestDevice device;
  gpu::Synchronize();
  const Problem problem = CudaCachedAttentionForward(a, q.data(), k.data(), v.data(),
                                                     cache.data(), out.data(), device);
  gpu::Synchronize();
  if (problem != nullptr) Fail("%s: %s", c.name.c_str(), problem);
  if (!out.IntactAround() || !cache.IntactAround()) {
    Fail("%s: written outside an array", c.name.c_str());
  }
  for (const Copy* array : {&q, &k, &v, &starts, &ancestors, &slopes}) {
    if (!array->Intact()) Fail("%s: written to an input", c.name.c_str());
  }
  if (!device.IntactAround()) Fail("%s: written outside of scratch", c.name.c_str());
  return {out.Downloaded(), cache.Downloaded()};
}

Compute OnGpu(int elements_off = 0) {
  return [=](const Case& c, const Show& show) {
    const Outputs o = Run(c, elements_off);
    show("", o);
    if (!(Run(c, elements_off) == o)) Fail("%s: another run differs", c.name.c_str());
  };
}

int ArraysBeginAnywhere() {
  int cases = 0;
  for (int elements : {1, 2, 3}) {
    for (Element element : kElements) {
      for (int64_t width : {16, 64, 128}) {
        Check(MakeCase({2, 1, 70, 72, 4, 2, width}, element, element, kAll, ++cases),
              OnGpu(elements));
      }
    }
  }
  return cases;
}

}  // namespace cached

// ---- All of them ----

// How many checks failed.
int CheckAll(const CheckSize& size) {
  const Compute on_gpu = OnGpu(size);
  const bool full = size.full;
  // `count` where 1,000 random cases are asked for.
  const auto count = [&](int count) {
    return std::min(count, (count * size.random_cases + 999) / 1000);
  };
  Numbers lengths = {0, 1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129};
  if (full) lengths.insert(lengths.end(), {191, 192, 193, 255, 256, 257});
  const Numbers widths = full ? cached::UpTo(1, 256) : Numbers{1, 8, 33, 64, 72, 128, 136, 256};

  Group("implementations are named", ImplementationsAreNamed);
  Group("refusals name their numbers", RefusalsNameTheirNumbers);
  Group("too little memory is told", TooLittleMemoryIsTold);
  Group("float32 errs by less than 1e-5", [&] { return FloatErrsLittle(full); });
  Group("every remainder of queries and keys",
        [&] { return EveryRemainder(on_gpu, lengths, count(450)); });
  Group("every width", [&] { return EveryWidth(on_gpu, widths); });
  Group("every number of heads and sequences",
        [&] { return EveryHeadAndBatch(on_gpu, full ? Numbers{0, 1, 2, 3} : Numbers{0, 2}); });
  Group("every option alone", [&] {
    using List = std::vector<Sizes>;
    return EveryOptionAlone(on_gpu,
                            full ? List{{3, 31, 70, 6, 2, 17}, {2, 101, 45, 2, 2, 33},
                                        {2, 98, 131, 1, 1, 16}, {2, 150, 200, 4, 2, 64},
                                        {1, 200, 270, 2, 1, 128}}
                                 : List{{2, 31, 70, 2, 1, 16}},
                            count(3));
  });
  Group("random options together", [&] {
    return RandomOptions(on_gpu, size.random_cases, full ? 260 : 140,
                         full ? Numbers{1, 7, 16, 40, 64, 72, 96, 128, 200, 256}
                              : Numbers{1, 7, 16, 40, 64, 72});
  });
  Group("long sequences", [&] { return LongSequences(on_gpu, count(48)); });
  Group("dropout drops exactly what it says", [&] {
    return DropoutDropsExactlyWhatItSays(on_gpu, full ? Sizes{2, 150, 230, 3, 1, 230}
                                                      : Sizes{2, 37, 70, 3, 1, 70});
  });
  Group("results are rounded to nearest",
        [&] { return ResultsAreRoundedToNearest(on_gpu, full ? 20 : 2); });
  Group("queries without keys", [&] {
    return QueriesWithoutKeys(on_gpu,
                              full ? Sizes{2, 100, 70, 2, 1, 9} : Sizes{1, 70, 40, 2, 1, 8});
  });
  Group("arrays begin anywhere", [&] { return ArraysBeginAnywhere(size); });
  if (full) {
    Group("more blocks than a grid is high", [&] { return LargeGrids(size); });
    Group("more elements than an int counts", LargeArrays);
  }

  const cached::Compute cached_on_gpu = cached::OnGpu();
  using cached::UpTo;
  Group("cache: every width of a head", [&] {
    return cached::EveryWidth(cached_on_gpu, full ? UpTo(1, 70) : UpTo(1, 70, 8));
  });
  Group("cache: every number of columns", [&] {
    return cached::EveryNumberOfColumns(cached_on_gpu, full ? UpTo(0, 130) : UpTo(0, 130, 13));
  });
  Group("cache: every mix of options",
        [&] { return cached::EveryMixOfOptions(cached_on_gpu, full ? 1 : 31); });
  Group("cache: columns shared among blocks", [&] {
    return cached::SharedColumns(
        cached_on_gpu, full ? Numbers{127, 128, 600, 1999, 4000} : Numbers{128});
  });
  Group("cache: many queries", [&] {
    return cached::ManyQueries(cached_on_gpu, full ? Numbers{9, 33, 70} : Numbers{9});
  });
  Group("cache: scores far apart", [&] { return cached::ScoresFarApart(cached_on_gpu); });
  Group("cache: what is no number stays so", [&] { return cached::NansStay(cached_on_gpu); });
  if (full) Group("cache: arrays begin anywhere", cached::ArraysBeginAnywhere);
  if (refused > 0) std::printf("%d cases are not served by this device.\n", refused);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures;
}

}  // namespace
}  // namespace knl
