#include "workers.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "standby.h"

namespace knl {
namespace {

// Longer than the last task of another worker takes where work is cut finely, and shorter
// than sleeping and being woken.
constexpr std::chrono::microseconds kAwake(50);

// Outlives the call where a job starts late; `task` is only touched for an index that the
// call still waits for.
struct Queue {
  int64_t tasks;
  const std::function<void(int64_t, int)>* task;
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> ended{0};
  std::mutex mutex;
  std::condition_variable all_ended;

  void Work(int worker) {
    for (;;) {
      const int64_t index = next.fetch_add(1);
      if (index >= tasks) return;
      (*task)(index, worker);
      if (ended.fetch_add(1) + 1 == tasks) {
        std::lock_guard<std::mutex> lock(mutex);
        all_ended.notify_all();
      }
    }
  }

  void WaitForAll() {
    const auto all = [&] { return ended.load() == tasks; };
    if (AwakeUntil(kAwake, all)) return;
    std::unique_lock<std::mutex> lock(mutex);
    all_ended.wait(lock, all);
  }
};

void Run(Workers& workers, int64_t tasks, const std::function<void(int64_t, int)>& task,
         bool in_turn) {
  if (tasks <= 0) return;
  auto queue = std::make_shared<Queue>();
  queue->tasks = tasks;
  queue->task = &task;
  const int64_t count = std::min<int64_t>(workers.count(), tasks);
  for (int worker = 1; worker < count; ++worker) {
    const auto job = [queue, worker] { queue->Work(worker); };
    if (Standby::Get().Take(job)) continue;
    if (in_turn) {
      workers.Schedule([job] {
        job();
        Standby::Get().Stay(kAwake);
      });
    } else {
      workers.Schedule(job);
    }
  }
  queue->Work(0);
  queue->WaitForAll();
}

}  // namespace

void RunTasks(Workers& workers, int64_t tasks,
              const std::function<void(int64_t, int)>& task) {
  Run(workers, tasks, task, false);
}

void RunTasksInTurn(Workers& workers, int64_t tasks,
                    const std::function<void(int64_t, int)>& task) {
  Run(workers, tasks, task, true);
}

}  // namespace knl
