// Checks, and cuts the work into tasks. The sizes alone say how, so that sums are the same on
// any number of threads.
#include "cached_attention.h"

#include <algorithm>
#include <atomic>
#include <functional>

#include "attention.h"
#include "cached_attention_tasks.h"
#include "units.h"
#include "workers.h"

namespace knl {
namespace {

constexpr int64_t kTaskBytes = 1 << 17;    // of the cache: fewer are not worth a thread
constexpr int64_t kTasks = 16;             // keep any machine busy
constexpr int64_t kLeastColumns = 128;     // that are worth a task

int64_t Up(int64_t n, int64_t step) { return (n + step - 1) / step; }

void RunWorthThreads(int64_t bytes, Workers& workers, int64_t tasks,
                     const std::function<void(int64_t, int)>& task) {
  if (bytes > kTaskBytes) return RunTasksInTurn(workers, tasks, task);
  for (int64_t index = 0; index < tasks; ++index) task(index, 0);
}

// Sums of a piece's parts, in one block of floats.
PartialSoftmax PartialAt(float* memory, int64_t index, int64_t width) {
  float* here = memory + index * kLines * (width + 2);
  return {here, here + kLines * width, here + kLines * (width + 1)};
}

}  // namespace

Problem CheckCachedAttention(const CachedAttention& a) {
  const auto in = [](int64_t n, int64_t least) { return n >= least && n <= INT32_MAX; };
  if (!in(a.rows, 0) || !in(a.queries, 0) || !in(a.columns, 0)) {
    return Say("Rows, queries and columns must be from 0 to 2^31. Received: %lld, %lld, %lld.",
               static_cast<long long>(a.rows), static_cast<long long>(a.queries),
               static_cast<long long>(a.columns));
  }
  if (!in(a.heads, 1) || !in(a.kv_heads, 1) || a.heads % a.kv_heads != 0) {
    return Say("The heads of q must split evenly over those of k and v. Received: %lld and "
               "%lld heads.", static_cast<long long>(a.heads),
               static_cast<long long>(a.kv_heads));
  }
  if (a.width < 1 || a.width > kMaxWidth) {
    return Say("Heads must be from 1 to %lld wide. Received: %lld.",
               static_cast<long long>(kMaxWidth), static_cast<long long>(a.width));
  }
  if (a.index < 0 || a.index + a.queries > a.columns) {
    return Say("New tokens must fit into the cache. Received: %lld tokens from column %lld on, "
               "%lld columns. Try a longer cache.", static_cast<long long>(a.queries),
               static_cast<long long>(a.index), static_cast<long long>(a.columns));
  }
  if (a.beams < 1 || a.rows % a.beams != 0) {
    return Say("Rows must split evenly into beams. Received: %lld rows, beams=%lld.",
               static_cast<long long>(a.rows), static_cast<long long>(a.beams));
  }
  if (!(a.scale > 0.0f && a.scale - a.scale == 0.0f)) {
    return Say("scale must be finite and above 0. Received: %g.", a.scale);
  }
  if (!(a.soft_cap >= 0.0f && a.soft_cap - a.soft_cap == 0.0f)) {
    return Say("soft_cap must be finite and at least 0. Received: %g.", a.soft_cap);
  }
  if (a.window < -1) {
    return Say("window must be at least 0, or -1 for all. Received: %lld.",
               static_cast<long long>(a.window));
  }
  return nullptr;
}

Problem CachedAttentionForward(const CachedAttention& a, const void* q, const void* k,
                               const void* v, void* cache, void* out, Workers& workers) {
  if (Problem problem = CheckCachedAttention(a)) return problem;
  if (a.rows * a.queries == 0) return nullptr;
  const Unit& unit = UnitFor(a.element);
  const CachedAttentionArrays arrays = {q, k, v, cache, out};
  const int64_t token_bytes = 8 * a.kv_heads * a.width;
  RunWorthThreads(a.rows * a.queries * token_bytes, workers, a.rows,
                  [&](int64_t row, int) { unit.cached_write(a, arrays, row); });

  const int64_t lines = a.queries * (a.heads / a.kv_heads), blocks = Up(lines, kLines);
  const int64_t pieces = a.rows * a.kv_heads * blocks, end = a.index + a.queries;
  const int64_t wanted = std::clamp<int64_t>(kTasks / pieces, 1, Up(end, kLeastColumns));
  const int64_t columns = Up(end, wanted), parts = Up(end, columns);
  const int64_t width = Up(a.width, kColumnStep) * kColumnStep;
  float* memory = nullptr;
  if (parts > 1) {
    const size_t bytes = pieces * parts * kLines * (width + 2) * sizeof(float);
    memory = static_cast<float*>(workers.Scratch(bytes));
    if (memory == nullptr) {
      return Say("There was no memory for sums: %lld bytes.", static_cast<long long>(bytes));
    }
  }
  std::atomic<int64_t> ended[kTasks] = {};  // parts of a piece; there are few if any is cut
  RunWorthThreads(a.rows * end * token_bytes, workers, pieces * parts, [&](int64_t index, int) {
    const int64_t piece = index / parts, part = index % parts;
    const int64_t head = piece / blocks, first = piece % blocks * kLines;
    const CachedAttentionTask task = {head / a.kv_heads, head % a.kv_heads, first,
                                      std::min(kLines, lines - first), part * columns,
                                      std::min(end, (part + 1) * columns)};
    if (parts == 1) return unit.cached_attend(a, arrays, task, nullptr);
    const PartialSoftmax mine = PartialAt(memory, index, width);
    unit.cached_attend(a, arrays, task, &mine);
    if (ended[piece].fetch_add(1) + 1 == parts) {
      unit.cached_merge(a, arrays, task, PartialAt(memory, piece * parts, width), parts);
    }
  });
  return nullptr;
}

}  // namespace knl
