// few_rows.h on vectors, a task at a time. A vector of weights meets four rows at once; the
// other rows meet it while it is still in the nearest cache.
#pragma once

#include "few_rows_meeting.h"
#include "few_rows_tasks.h"

namespace knl {
namespace KNL_UNIT {
namespace {

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

// Row r of x, as its weights meet it.
template <class W>
KNL_INLINE const typename Meeting<W>::Row* RowOf(const WideRows& rows, int64_t r) {
  return (const typename Meeting<W>::Row*)(rows.x + r * rows.stride);
}

// Between rows, in their elements.
template <class W>
KNL_INLINE int64_t StrideOf(const WideRows& rows) {
  return rows.stride * (int64_t)(sizeof(float) / sizeof(typename Meeting<W>::Row));
}

// sums[r][0, kWide) += x[r][0, kInputs) W[0, kInputs)[0, kWide), of W's first `count` outputs.
template <class W, int kRows, int kInputs, bool kFull>
KNL_INLINE void MeetTile(const typename Meeting<W>::Row* x, int64_t x_stride,
                         const typename W::Type* weights, int64_t outputs, int64_t count,
                         bool begin, float* sums, int64_t stride) {
  using Meet = Meeting<W>;
  using Type = typename W::Type;
  constexpr bool kGoesOn = Meet::kFloat;  // from what was summed up before
  typename Meet::Sum total[kRows][2] = {};
  if constexpr (kGoesOn) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      total[r][0] = begin ? Vec{} : Load(sums + r * stride);
      total[r][1] = begin ? Vec{} : Load(sums + r * stride + kLanes);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kInputs; i += Meet::kInputs) {
    Type part[Meet::kInputs][kWide] = {};
    const Type* p[Meet::kInputs];
#pragma GCC unroll 2
    for (int n = 0; n < Meet::kInputs; ++n) {
      const bool there = i + n < kInputs;  // or it is beside the last of an odd number
      p[n] = kFull && there ? weights + (i + n) * outputs : part[n];
      if (!kFull && there) memcpy(part[n], weights + (i + n) * outputs, count * sizeof(Type));
    }
    typename Meet::Sum met[2];
    Meet::ReadAcross(p, met);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const auto each = Meet::InEachLane(x + r * x_stride + i);
      total[r][0] = Meet::Add(total[r][0], each, met[0]);
      total[r][1] = Meet::Add(total[r][1], each, met[1]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    Vec ordered[2];
    Meet::InOrder(total[r], ordered);
    float* to = sums + r * stride;
    const bool alone = kGoesOn || begin;
    Store(to, alone ? ordered[0] : Load(to) + ordered[0]);
    Store(to + kLanes, alone ? ordered[1] : Load(to + kLanes) + ordered[1]);
  }
}

// The task's outputs by kInputs inputs from `input` on.
template <class W, int kInputs>
void MeetInputs(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                const FewRowsTask& t, int64_t input) {
  using Type = typename W::Type;
  constexpr int64_t kAhead = kAheadBytes / sizeof(Type);
  const int64_t outputs = f.outputs, width = t.end_output - t.first_output;
  const int64_t x_stride = StrideOf<W>(rows);
  const Type* weights = (const Type*)a.weights + input * outputs + t.first_output;
  for (int64_t j = 0; j < width; j += kWide) {
    if (kInputs > 1 && j * sizeof(Type) % 64 == 0) {
      const int64_t ahead = j + kAhead < width ? kAhead : kInputs * outputs + kAhead - width;
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i) AskFor(weights + j, i * outputs + ahead);
    }
    for (int64_t r = 0; r < rows.rows; r += kTogether) {
      const auto* x = RowOf<W>(rows, r) + input;
      float* sums = t.sums + r * t.stride + t.first_output + j;
      WithRows(rows.rows - r, [&](auto few) KNL_LAMBDA_INLINE {
        constexpr int kRows = decltype(few)::value;
        const bool begin = input == t.first_input;
        if (width - j >= kWide) {
          MeetTile<W, kRows, kInputs, true>(x, x_stride, weights + j, outputs, kWide, begin, sums,
                                            t.stride);
        } else {
          MeetTile<W, kRows, kInputs, false>(x, x_stride, weights + j, outputs, width - j, begin,
                                             sums, t.stride);
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
void MeetTable(const typename Meeting<W>::Row* x, int64_t x_stride,
               const typename W::Type* table, int64_t inputs, float* sums, int64_t stride) {
  using Meet = Meeting<W>;
  using Type = typename W::Type;
  constexpr int64_t kStep = kLanes * Meet::kInputs, kAhead = kAheadBytes / sizeof(Type);
  typename Meet::Sum total[kRows * kTable] = {};
  const auto step = [&](int64_t e, const Type* from, int64_t apart) KNL_LAMBDA_INLINE {
    typename Meet::Sum weights[kTable];
#pragma GCC unroll 3
    for (int c = 0; c < kTable; ++c) weights[c] = Meet::ReadAlong(from + c * apart);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const auto each = Meet::ReadRow(x + r * x_stride + e);
#pragma GCC unroll 3
      for (int c = 0; c < kTable; ++c) {
        total[r * kTable + c] = Meet::Add(total[r * kTable + c], each, weights[c]);
      }
    }
  };
  Vec floats[kRows * kTable] = {};
  const auto bring_in = [&]() KNL_LAMBDA_INLINE {
#pragma GCC unroll 12
    for (int i = 0; i < kRows * kTable; ++i) {
      floats[i] += Meet::Float(total[i]);
      total[i] = typename Meet::Sum{};
    }
  };
  int64_t e = 0, most = Meet::kMost;
  for (; e + kStep <= inputs; e += kStep) {
    if (e * sizeof(Type) % 64 == 0) {
      const int64_t ahead = e + kAhead < inputs ? kAhead : kTable * inputs + kAhead - inputs;
#pragma GCC unroll 3
      for (int c = 0; c < kTable; ++c) AskFor(table, c * inputs + e + ahead);
    }
    step(e, table + e, inputs);
    if (--most > 1) continue;  // one more: the rest
    bring_in();
    most = Meet::kMost;
  }
  if (e < inputs) {
    Type part[kTable][kStep] = {};
    for (int c = 0; c < kTable; ++c) {
      memcpy(part[c], table + c * inputs + e, (inputs - e) * sizeof(Type));
    }
    step(e, part[0], kStep);
  }
  bring_in();
#pragma GCC unroll 12
  for (int i = 0; i < kRows * kTable; i += kLanes) {
    Vec some[kLanes];
#pragma GCC unroll 16
    for (int n = 0; n < kLanes; ++n) some[n] = i + n < kRows * kTable ? floats[i + n] : Vec{};
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
      const auto* x = RowOf<W>(rows, r);
      float* to = sums + r * kTableOutputs + j - begin;
      WithRows(rows.rows - r, [&](auto few) KNL_LAMBDA_INLINE {
        constexpr int kRows = decltype(few)::value;
        const auto meet = full ? MeetTable<W, kRows, kTableRows> : MeetTable<W, kRows, 1>;
        meet(x, StrideOf<W>(rows), table, f.inputs, to, kTableOutputs);
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
  const auto widen = f.weights == Weights::kInt8 ? RoundRow<E> : WidenRow<E>;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const auto* x = (const typename E::Type*)a.x + (rows.first_row + r) * f.inputs;
    widen(x, f.inputs, rows.stride, wide + r * rows.stride);
  }
}

// y[row][output, output + count) from its sum.
template <class E>
KNL_INLINE void FinishPart(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                           int64_t r, int64_t output, int64_t count, Vec sum) {
  if (f.weights == Weights::kInt8) sum *= Splat(UnitOf(rows.x + r * rows.stride, rows.stride));
  if (a.scale != nullptr) sum *= ReadPart<Float32>(a.scale + output, count);
  if (a.bias != nullptr) sum += ReadPart<Float32>(a.bias + output, count);
  WritePart<E>((typename E::Type*)a.y + (rows.first_row + r) * f.outputs + output, sum,
               count);
}

template <class E>
void FewRowsFinish(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                   const FewRowsTask& t, int64_t parts) {
  for (int64_t r = 0; r < rows.rows; ++r) {
    for (int64_t j = t.first_output; j < t.end_output; j += kLanes) {
      const float* p = t.sums + r * t.stride + j;
      Vec sum = Load(p);
      for (int64_t i = 1; i < parts; ++i) sum += Load(p + i * rows.rows * t.stride);
      FinishPart<E>(f, a, rows, r, j, t.end_output - j, sum);
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
        FinishPart<E>(f, a, rows, r, j + n, last - j - n, sum);
      }
    }
  }
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
