#include "workers.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace knl {
namespace {

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
};

}  // namespace

void RunTasks(Workers& workers, int64_t tasks,
              const std::function<void(int64_t, int)>& task) {
  if (tasks <= 0) return;
  auto queue = std::make_shared<Queue>();
  queue->tasks = tasks;
  queue->task = &task;
  const int64_t count = std::min<int64_t>(workers.count(), tasks);
  for (int worker = 1; worker < count; ++worker) {
    workers.Schedule([queue, worker] { queue->Work(worker); });
  }
  queue->Work(0);
  std::unique_lock<std::mutex> lock(queue->mutex);
  queue->all_ended.wait(lock, [&] { return queue->ended.load() == tasks; });
}

}  // namespace knl
