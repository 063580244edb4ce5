// Checks, and cuts the work into tasks.
#include "attention.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "units.h"
#include "workers.h"

namespace knl {
namespace {

long long N(int64_t n) { return n; }

// ---- Sequences ----

int64_t MostKeys(const Attention& a) {
  int64_t most = 0;
  for (int64_t b = 0; b < a.batch; ++b) most = std::max(most, SequenceOf(a, b).keys);
  return most;
}

Problem CheckSplits(const char* name, const int64_t* splits, int64_t batch, int64_t total) {
  if (splits[0] != 0) {
    return Say("The %s splits must start at 0, and end at the number of rows. Received: "
               "%lld first.", name, N(splits[0]));
  }
  for (int64_t b = 0; b < batch; ++b) {
    if (splits[b + 1] < splits[b]) {
      return Say("The %s splits must not fall. Received: %lld after %lld.", name,
                 N(splits[b + 1]), N(splits[b]));
    }
  }
  if (splits[batch] != total) {
    return Say("The %s splits must end at the number of rows, %lld. Received: %lld.", name,
               N(total), N(splits[batch]));
  }
  return nullptr;
}

int64_t UpDivide(int64_t n, int64_t d) { return (n + d - 1) / d; }

// Scratch for every worker that can be busy.
void* WorkerScratch(Workers& workers, int64_t tasks, size_t bytes) {
  const int64_t busy = std::min<int64_t>(workers.count(), tasks);
  return workers.Scratch(std::max<size_t>(64, busy * bytes));
}

// The task that a worker will likely get after tasks[index].
template <class Task>
const Task* Next(const std::vector<Task>& tasks, int64_t index, const Workers& workers) {
  const size_t next = index + workers.count();
  return next < tasks.size() ? &tasks[next] : nullptr;
}

// Packed rows: no long task is left for the end. Others are all as long.
template <class Task>
void SortLongestFirst(const Attention& a, std::vector<Task>* tasks) {
  if (a.query_splits == nullptr) return;
  const auto pairs = [&](const Task& task) {
    const Sequence s = SequenceOf(a, task.batch);
    return s.queries * s.keys;
  };
  std::stable_sort(tasks->begin(), tasks->end(),
                   [&](const Task& x, const Task& y) { return pairs(x) > pairs(y); });
}

constexpr const char* kNoMemory =
    "There was no memory for the attention's scratch: %lld bytes a worker.";

}  // namespace

Problem CheckAttention(const Attention& a, bool splits_are_here) {
  if (a.batch < 0 || a.queries < 0 || a.keys < 0) {
    return Say("Sizes must not be negative. Received: batch=%lld, queries=%lld, keys=%lld.",
               N(a.batch), N(a.queries), N(a.keys));
  }
  if (a.width < 1 || a.width > kMaxWidth) {
    return Say("The width of a head must be from 1 to %lld. Received: %lld.", N(kMaxWidth),
               N(a.width));
  }
  if (a.heads < 1 || a.kv_heads < 1 || a.heads % a.kv_heads != 0) {
    return Say("Query heads must be a multiple of key/value heads. Received: heads=%lld, "
               "kv_heads=%lld.", N(a.heads), N(a.kv_heads));
  }
  if (!(a.scale - a.scale == 0.0f)) return Say("scale must be finite. Received: %g.", a.scale);
  if (!(a.soft_cap >= 0.0f && a.soft_cap - a.soft_cap == 0.0f)) {
    return Say("soft_cap must be finite and not negative; 0 is none. Received: %g.", a.soft_cap);
  }
  constexpr int64_t kWidest = INT64_MAX / 2;  // positions are added to it
  if (a.window_left < -1 || a.window_right < -1 || a.window_left > kWidest ||
      a.window_right > kWidest) {
    return Say("A window's sides must be -1 (open) or a count of keys. Received: left=%lld, "
               "right=%lld.", N(a.window_left), N(a.window_right));
  }
  // Above, the threshold of 16 random bits would drop everything.
  if (!(a.dropout >= 0.0f && a.dropout <= 0.9999f)) {
    return Say("dropout must be at least 0 and at most 0.9999. Received: %g.", a.dropout);
  }
  if ((a.query_splits == nullptr) != (a.key_splits == nullptr)) {
    return Say("Packed rows need the splits of queries and of keys. Received: one of them.");
  }
  if (a.query_splits != nullptr &&
      (a.keep != nullptr || a.query_segments != nullptr || a.bias != nullptr)) {
    return Say("Packed rows have no padding, segments or bias. Received: splits with one of "
               "them.");
  }
  if ((a.query_segments == nullptr) != (a.key_segments == nullptr)) {
    return Say("Segments are needed of queries and of keys. Received: one of them.");
  }
  if (a.bias != nullptr && ((a.bias_batch != 1 && a.bias_batch != a.batch) ||
                            (a.bias_heads != 1 && a.bias_heads != a.heads))) {
    return Say("bias must have 1 or %lld rows and 1 or %lld heads. Received: %lld and %lld.",
               N(a.batch), N(a.heads), N(a.bias_batch), N(a.bias_heads));
  }
  if (a.batch > INT32_MAX || a.queries > INT32_MAX || a.keys > INT32_MAX) {
    return Say("Sizes must be under 2^31. Received: batch=%lld, queries=%lld, keys=%lld.",
               N(a.batch), N(a.queries), N(a.keys));
  }
  if (a.query_splits != nullptr && splits_are_here) {
    Problem problem = CheckSplits("query", a.query_splits, a.batch, a.queries);
    return problem ? problem : CheckSplits("key", a.key_splits, a.batch, a.keys);
  }
  return nullptr;
}

Problem AttentionForward(const Attention& a, const void* q, const void* k, const void* v,
                         void* out, float* lse, Workers& workers) {
  if (Problem problem = CheckAttention(a)) return problem;
  const int64_t shared = a.heads / a.kv_heads;
  std::vector<ForwardTask> tasks;
  // A task packs its keys for itself, so heads are cut only where there are few of them.
  const int64_t heads = std::max<int64_t>(1, a.batch * a.kv_heads);
  const int64_t cuts = workers.count() == 1 ? 1 : UpDivide(4 * workers.count(), heads);
  for (int64_t b = 0; b < a.batch; ++b) {
    const int64_t blocks = shared * UpDivide(SequenceOf(a, b).queries, kQueryBlock);
    const int64_t step = std::max<int64_t>(1, UpDivide(blocks, cuts));
    for (int64_t g = 0; g < a.kv_heads; ++g) {
      for (int64_t first = 0; first < blocks; first += step) {
        tasks.push_back({b, g, first, std::min(first + step, blocks)});
      }
    }
  }
  SortLongestFirst(a, &tasks);
  const Unit& unit = UnitFor(a.element);
  const size_t bytes = unit.forward_bytes(a, MostKeys(a));
  char* scratch = static_cast<char*>(WorkerScratch(workers, tasks.size(), bytes));
  if (scratch == nullptr) return Say(kNoMemory, N(bytes));
  const ForwardArrays arrays = {q, k, v, out, lse};
  RunTasks(workers, tasks.size(), [&](int64_t index, int worker) {
    unit.forward(a, arrays, tasks[index], Next(tasks, index, workers),
                 scratch + worker * bytes);
  });
  return nullptr;
}

Problem AttentionBackward(const Attention& a, const void* q, const void* k, const void* v,
                          const void* out, const float* lse, const void* dout,
                          const float* dlse, void* dq, void* dk, void* dv, float* dbias,
                          Workers& workers) {
  if (Problem problem = CheckAttention(a)) return problem;
  if (a.bias == nullptr) dbias = nullptr;
  // One task sums all that shares an array's elements: the query heads of a key/value head,
  // and where a bias is shared, the sequences or heads that share it.
  const bool join_batch = dbias != nullptr && a.bias_batch == 1;
  const bool join_heads = dbias != nullptr && a.bias_heads == 1;
  const int64_t owners = std::max<int64_t>(
      1, (join_batch ? 1 : a.batch) * (join_heads ? 1 : a.kv_heads));
  // Few owners are cut along the keys; how often must not depend on the workers, since it
  // decides in which order dq is summed.
  constexpr int64_t kWantedTasks = 24, kLeastKeys = 256;
  const int64_t keys = MostKeys(a);
  const int64_t cuts = std::max<int64_t>(
      1, std::min(UpDivide(kWantedTasks, owners), keys / kLeastKeys));
  const int64_t step =
      std::max<int64_t>(kLeastKeys, UpDivide(UpDivide(keys, cuts), 64) * 64);
  const int64_t dq_size = (a.query_splits ? 1 : a.batch) * a.queries * a.heads * a.width;
  const int64_t parts = dq_size == 0 ? 1 : std::max<int64_t>(1, UpDivide(keys, step));
  float* dq_parts = nullptr;
  if (parts > 1) {
    dq_parts = static_cast<float*>(workers.Scratch(dq_size * parts * sizeof(float)));
    if (dq_parts == nullptr) return Say(kNoMemory, N(dq_size * parts * sizeof(float)));
  }
  if (dbias != nullptr) {
    std::memset(dbias, 0, a.bias_batch * a.bias_heads * a.queries * a.keys * sizeof(float));
  }
  std::vector<BackwardTask> tasks;
  for (int64_t b = 0; b < a.batch; b += join_batch ? a.batch : 1) {
    for (int64_t g = 0; g < a.kv_heads; g += join_heads ? a.kv_heads : 1) {
      for (int64_t part = 0; part < parts; ++part) {
        tasks.push_back({b, join_batch ? a.batch : b + 1, g, join_heads ? a.kv_heads : g + 1,
                         part * step, part + 1 < parts ? (part + 1) * step : keys,
                         parts > 1 ? dq_parts + part * dq_size : nullptr});
      }
    }
  }
  SortLongestFirst(a, &tasks);
  const Unit& unit = UnitFor(a.element);
  const size_t bytes = unit.backward_bytes(a, parts > 1 ? std::min(step, keys) : keys, keys);
  char* scratch = static_cast<char*>(WorkerScratch(workers, tasks.size(), bytes));
  if (scratch == nullptr) return Say(kNoMemory, N(bytes));
  const BackwardArrays arrays = {q, k, v, out, dout, lse, dlse, dq, dk, dv, dbias};
  RunTasks(workers, tasks.size(), [&](int64_t index, int worker) {
    unit.backward(a, arrays, tasks[index], Next(tasks, index, workers),
                  scratch + worker * bytes);
  });
  if (parts > 1) {
    constexpr int64_t kChunk = 1 << 14;
    RunTasks(workers, UpDivide(dq_size, kChunk), [&](int64_t index, int) {
      unit.sum(dq_parts, parts, dq_size, index * kChunk,
               std::min((index + 1) * kChunk, dq_size), dq);
    });
  }
  return nullptr;
}

}  // namespace knl
