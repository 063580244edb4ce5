// few_rows.h on vectors, a task at a time. A vector of weights is converted in registers and
// meets four rows at once; the other rows meet it while it is still in the nearest cache.
#pragma once

#include "few_rows_tasks.h"
#include "tokens.h"

namespace knl {
namespace KNL_UNIT {
namespace {

struct Int8 {
  using Type = int8_t;
  static KNL_INLINE Vec Read(const int8_t* p) {
#if KNL_LANES == 16
    return (Vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
#elif KNL_LANES == 8
    return (Vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
#else
    typedef int8_t MemoryBytes __attribute__((vector_size(kLanes), aligned(1), may_alias));
    return __builtin_convertvector(*(const MemoryBytes*)p, Vec);
#endif
  }
};

constexpr int kTogether = 4;         // rows
constexpr int kTableRows = 3;        // of a transposed W
constexpr int64_t kWide = 2 * kLanes;  // outputs
constexpr int64_t kAheadBytes = 1024;  // from what is read to what is asked for

// Inputs whose weights meet a sum while it is in registers: narrow weights are worth more.
template <class W>
constexpr int kDeep = sizeof(typename W::Type) == 4 ? 8 : 16;

template <int kNumber>
struct Count {
  static constexpr int value = kNumber;
};

// body(Count<n>) for n = rows, at most kTogether.
template <class Body>
KNL_INLINE void WithRows(int64_t rows, const Body& body) {
  switch (rows) {
    case 1: return body(Count<1>());
    case 2: return body(Count<2>());
    case 3: return body(Count<3>());
    default: return body(Count<kTogether>());
  }
}

template <class T>
KNL_INLINE void AskFor(const T* p, int64_t elements) {
  // The address may lie in no array. To the second cache: the first has fewer places for
  // what is under way than memory's distance takes.
  __builtin_prefetch((const void*)((uintptr_t)p + elements * sizeof(T)), 0, 2);
}

// sums[r][0, kWide) += x[r][0, kInputs) W[0, kInputs)[0, kWide), of W's first `count` outputs.
template <class W, int kRows, int kInputs, bool kFull>
KNL_INLINE void MeetTile(const float* x, int64_t x_stride, const typename W::Type* weights,
                         int64_t outputs, int64_t count, bool begin, float* sums,
                         int64_t stride) {
  Vec total[kRows][2];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    total[r][0] = begin ? Vec{} : Load(sums + r * stride);
    total[r][1] = begin ? Vec{} : Load(sums + r * stride + kLanes);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kInputs; ++i) {
    const auto* p = weights + i * outputs;
    const Vec low = kFull ? W::Read(p) : ReadPart<W>(p, count);
    Vec high;
    if (kFull) {
      high = W::Read(p + kLanes);
    } else {
      high = count > kLanes ? ReadPart<W>(p + kLanes, count - kLanes) : Vec{};
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const Vec each = Splat(x[r * x_stride + i]);
      total[r][0] += each * low;
      total[r][1] += each * high;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    Store(sums + r * stride, total[r][0]);
    Store(sums + r * stride + kLanes, total[r][1]);
  }
}

// The task's outputs by kInputs inputs from `input` on.
template <class W, int kInputs>
void MeetInputs(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                const FewRowsTask& t, int64_t input) {
  using Type = typename W::Type;
  constexpr int64_t kAhead = kAheadBytes / sizeof(Type);
  const int64_t outputs = f.outputs, width = t.end_output - t.first_output;
  const Type* weights = (const Type*)a.weights + input * outputs + t.first_output;
  for (int64_t j = 0; j < width; j += kWide) {
    if (kInputs > 1 && j * sizeof(Type) % 64 == 0) {
      const int64_t ahead = j + kAhead < width ? kAhead : kInputs * outputs + kAhead - width;
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i) AskFor(weights + j, i * outputs + ahead);
    }
    for (int64_t r = 0; r < rows.rows; r += kTogether) {
      const float* x = rows.x + r * rows.stride + input;
      float* sums = t.sums + r * t.stride + t.first_output + j;
      WithRows(rows.rows - r, [&](auto few) KNL_LAMBDA_INLINE {
        constexpr int kRows = decltype(few)::value;
        const bool begin = input == t.first_input;
        if (width - j >= kWide) {
          MeetTile<W, kRows, kInputs, true>(x, rows.stride, weights + j, outputs, kWide, begin,
                                            sums, t.stride);
        } else {
          MeetTile<W, kRows, kInputs, false>(x, rows.stride, weights + j, outputs, width - j,
                                             begin, sums, t.stride);
        }
      });
    }
  }
}

template <class W>
void MeetColumns(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                 const FewRowsTask& t) {
  int64_t input = t.first_input;
  for (; input + kDeep<W> <= t.end_input; input += kDeep<W>) {
    MeetInputs<W, kDeep<W>>(f, a, rows, t, input);
  }
  for (; input < t.end_input; ++input) MeetInputs<W, 1>(f, a, rows, t, input);
}

// sums[r][0, kTable) = the products of rows of x and of a table.
template <class W, int kRows, int kTable>
void MeetTable(const float* x, int64_t x_stride, const typename W::Type* table, int64_t inputs,
               float* sums, int64_t stride) {
  using Type = typename W::Type;
  constexpr int64_t kAhead = kAheadBytes / sizeof(Type);
  Vec total[kRows * kTable];
#pragma GCC unroll 12
  for (int i = 0; i < kRows * kTable; ++i) total[i] = Vec{};
  const auto step = [&](int64_t e, auto read) KNL_LAMBDA_INLINE {
    Vec weights[kTable];
#pragma GCC unroll 3
    for (int c = 0; c < kTable; ++c) weights[c] = read(table + c * inputs + e);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const Vec each = Load(x + r * x_stride + e);
#pragma GCC unroll 3
      for (int c = 0; c < kTable; ++c) total[r * kTable + c] += each * weights[c];
    }
  };
  int64_t e = 0;
  for (; e + kLanes <= inputs; e += kLanes) {
    if (e * sizeof(Type) % 64 == 0) {
      const int64_t ahead = e + kAhead < inputs ? kAhead : kTable * inputs + kAhead - inputs;
#pragma GCC unroll 3
      for (int c = 0; c < kTable; ++c) AskFor(table, c * inputs + e + ahead);
    }
    step(e, [](const Type* p) KNL_LAMBDA_INLINE { return W::Read(p); });
  }
  if (e < inputs) {
    step(e, [&](const Type* p) KNL_LAMBDA_INLINE { return ReadPart<W>(p, inputs - e); });
  }
#pragma GCC unroll 12
  for (int i = 0; i < kRows * kTable; i += kLanes) {
    Vec some[kLanes];
#pragma GCC unroll 16
    for (int n = 0; n < kLanes; ++n) some[n] = i + n < kRows * kTable ? total[i + n] : Vec{};
    float each[kLanes];
    Store(each, SumsOf(some));
    for (int n = i; n < kRows * kTable && n < i + kLanes; ++n) {
      sums[n / kTable * stride + n % kTable] = each[n - i];
    }
  }
}

// Outputs [begin, end) to sums[rows][kTableOutputs].
template <class W>
void MeetTableRows(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                   int64_t begin, int64_t end, float* sums) {
  using Type = typename W::Type;
  for (int64_t j = begin; j < end;) {
    const bool full = j + kTableRows <= end;
    const Type* table = (const Type*)a.weights + j * f.inputs;
    for (int64_t r = 0; r < rows.rows; r += kTogether) {
      const float* x = rows.x + r * rows.stride;
      float* to = sums + r * kTableOutputs + j - begin;
      WithRows(rows.rows - r, [&](auto few) KNL_LAMBDA_INLINE {
        constexpr int kRows = decltype(few)::value;
        const auto meet = full ? MeetTable<W, kRows, kTableRows> : MeetTable<W, kRows, 1>;
        meet(x, rows.stride, table, f.inputs, to, kTableOutputs);
      });
    }
    j += full ? kTableRows : 1;
  }
}

// ---- The unit's functions ----

static void FewRowsColumns(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                           const FewRowsTask& task) {
  switch (f.weights) {
    case Weights::kFloat32: return MeetColumns<Float32>(f, a, rows, task);
    case Weights::kBFloat16: return MeetColumns<BFloat16>(f, a, rows, task);
    case Weights::kFloat16: return MeetColumns<Float16>(f, a, rows, task);
    case Weights::kInt8: return MeetColumns<Int8>(f, a, rows, task);
  }
}

template <class E>
void FewRowsWiden(const FewRows& f, const FewRowsArrays& a, const WideRows& rows, float* wide) {
  using Type = typename E::Type;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const Type* x = (const Type*)a.x + (rows.first_row + r) * f.inputs;
    for (int64_t e = 0; e < rows.stride; e += kLanes) {
      Store(wide + r * rows.stride + e, ReadPart<E>(x + Min(e, f.inputs), f.inputs - e));
    }
  }
}

// y[row][output, output + count) from its sum.
template <class E>
KNL_INLINE void FinishPart(const FewRows& f, const FewRowsArrays& a, int64_t row,
                           int64_t output, int64_t count, Vec sum) {
  if (a.scale != nullptr) sum *= ReadPart<Float32>(a.scale + output, count);
  if (a.bias != nullptr) sum += ReadPart<Float32>(a.bias + output, count);
  WritePart<E>((typename E::Type*)a.y + row * f.outputs + output, sum, count);
}

template <class E>
void FewRowsFinish(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                   const FewRowsTask& t, int64_t parts) {
  for (int64_t r = 0; r < rows.rows; ++r) {
    for (int64_t j = t.first_output; j < t.end_output; j += kLanes) {
      const float* p = t.sums + r * t.stride + j;
      Vec sum = Load(p);
      for (int64_t i = 1; i < parts; ++i) sum += Load(p + i * rows.rows * t.stride);
      FinishPart<E>(f, a, rows.first_row + r, j, t.end_output - j, sum);
    }
  }
}

template <class E>
void FewRowsTable(const FewRows& f, const FewRowsArrays& a, const WideRows& rows, int64_t begin,
                  int64_t end) {
  float sums[kMostRows * kTableOutputs];
  for (int64_t j = begin; j < end; j += kTableOutputs) {
    const int64_t last = Min(end, j + kTableOutputs);
    switch (f.weights) {
      case Weights::kFloat32: MeetTableRows<Float32>(f, a, rows, j, last, sums); break;
      case Weights::kBFloat16: MeetTableRows<BFloat16>(f, a, rows, j, last, sums); break;
      case Weights::kFloat16: MeetTableRows<Float16>(f, a, rows, j, last, sums); break;
      case Weights::kInt8: MeetTableRows<Int8>(f, a, rows, j, last, sums); break;
    }
    for (int64_t r = 0; r < rows.rows; ++r) {
      for (int64_t n = 0; n < last - j; n += kLanes) {
        const Vec sum = Load(sums + r * kTableOutputs + n);
        FinishPart<E>(f, a, rows.first_row + r, j + n, last - j - n, sum);
      }
    }
  }
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
