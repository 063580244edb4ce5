// Checks, and cuts the work into tasks. The sizes alone say how, so that sums are the same on
// any number of threads.
#include "few_rows.h"

#include <algorithm>
#include <atomic>
#include <functional>

#include "few_rows_tasks.h"
#include "units.h"
#include "workers.h"

namespace knl {
namespace {

constexpr int64_t kTaskBytes = 1 << 18;  // of weights: fewer are not worth a thread
// More room than a row needs: rows that lie a power of 2 apart would share a place in the
// nearest cache.
constexpr int64_t kApart = 16;

int64_t Up(int64_t n, int64_t step) { return (n + step - 1) / step; }

int64_t SizeOf(Weights weights) {
  return weights == Weights::kFloat32 ? 4 : weights == Weights::kInt8 ? 1 : 2;
}

// Equal ranges of [0, size) that begin at multiples of a step.
struct Ranges {
  Ranges(int64_t size, int64_t wanted, int64_t step)
      : size(size), each(std::max<int64_t>(1, Up(Up(size, wanted), step)) * step),
        count(Up(size, each)) {}
  int64_t begin(int64_t i) const { return i * each; }
  int64_t end(int64_t i) const { return std::min(size, (i + 1) * each); }
  int64_t size, each, count;
};

void RunWorthThreads(int64_t bytes, Workers& workers, int64_t tasks,
                     const std::function<void(int64_t, int)>& task) {
  if (bytes > kTaskBytes) return RunTasksInTurn(workers, tasks, task);
  for (int64_t index = 0; index < tasks; ++index) task(index, 0);
}

// Transposed: a task is a range of outputs.
void RunTable(const FewRows& f, const FewRowsArrays& a, const WideRows& rows, const Unit& unit,
              Workers& workers) {
  const int64_t bytes = f.inputs * f.outputs * SizeOf(f.weights);
  const Ranges outputs(f.outputs, std::max<int64_t>(1, bytes / kTaskBytes), kTableOutputs);
  RunWorthThreads(bytes, workers, outputs.count, [&](int64_t index, int) {
    unit.few_rows_table(f, a, rows, outputs.begin(index), outputs.end(index));
  });
}

// A task is a rectangle: rows of W are read along, many inputs wide, since what is far apart
// comes slowly from memory. Outputs of which the inputs are cut, too, are summed up by
// whoever is last.
Problem RunColumns(const FewRows& f, const FewRowsArrays& a, const WideRows& rows,
                   const Unit& unit, Workers& workers) {
  constexpr int64_t kWide = 1024, kLeastInputs = 192, kTasks = 16, kMostParts = 8;
  const int64_t bytes = f.inputs * f.outputs * SizeOf(f.weights);
  const Ranges outputs(f.outputs, Up(f.outputs, kWide), kOutputStep);
  const int64_t worth = std::min({bytes / outputs.count / kTaskBytes, f.inputs / kLeastInputs,
                                  kTasks / outputs.count, kMostParts});
  const Ranges inputs(f.inputs, std::max<int64_t>(1, worth), 16);
  const int64_t stride = Up(f.outputs, kOutputStep) * kOutputStep + kApart;
  const size_t scratch = inputs.count * rows.rows * stride * sizeof(float);
  float* sums = static_cast<float*>(workers.Scratch(scratch));
  if (sums == nullptr) {
    return Say("There was no memory for sums: %lld bytes.", static_cast<long long>(scratch));
  }
  std::atomic<int64_t> ended[kTasks] = {};
  RunWorthThreads(bytes, workers, inputs.count * outputs.count, [&](int64_t index, int) {
    const int64_t part = index % inputs.count, range = index / inputs.count;
    const FewRowsTask task = {inputs.begin(part), inputs.end(part), outputs.begin(range),
                              outputs.end(range), sums + part * rows.rows * stride, stride};
    unit.few_rows_columns(f, a, rows, task);
    if (inputs.count == 1 || ended[range].fetch_add(1) + 1 == inputs.count) {
      FewRowsTask all = task;
      all.sums = sums;
      unit.few_rows_finish(f, a, rows, all, inputs.count);
    }
  });
  return nullptr;
}

}  // namespace

Problem CheckFewRows(const FewRows& f) {
  if (f.rows < 0 || f.inputs < 1 || f.outputs < 1 || f.rows > INT32_MAX ||
      f.inputs > INT32_MAX || f.outputs > INT32_MAX) {
    return Say("Rows must be from 0, inputs and outputs from 1 to 2^31. Received: %lld rows, "
               "%lld inputs, %lld outputs.", static_cast<long long>(f.rows),
               static_cast<long long>(f.inputs), static_cast<long long>(f.outputs));
  }
  return nullptr;
}

Problem FewRowsForward(const FewRows& f, const FewRowsArrays& arrays, Workers& workers) {
  if (Problem problem = CheckFewRows(f)) return problem;
  if (f.rows == 0) return nullptr;
  const Unit& unit = UnitFor(f.element);
  const int64_t stride = Up(f.inputs, kColumnStep) * kColumnStep + kApart;
  const size_t bytes = std::min(f.rows, kMostRows) * stride * sizeof(float);
  float* wide = static_cast<float*>(workers.Scratch(bytes));
  if (wide == nullptr) {
    return Say("There was no memory for rows: %lld bytes.", static_cast<long long>(bytes));
  }
  for (int64_t row = 0; row < f.rows; row += kMostRows) {
    const WideRows rows = {wide, stride, row, std::min(kMostRows, f.rows - row)};
    unit.few_rows_widen(f, arrays, rows, wide);
    if (f.transposed) {
      RunTable(f, arrays, rows, unit, workers);
    } else if (Problem problem = RunColumns(f, arrays, rows, unit, workers)) {
      return problem;
    }
  }
  return nullptr;
}

}  // namespace knl
