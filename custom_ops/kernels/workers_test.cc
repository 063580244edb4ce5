// RunTasks and RunTasksInTurn: every task runs once, whoever is awake.
#include "workers.h"

#include <atomic>
#include <thread>
#include <vector>

#include "standby.h"
#include "testing.h"

namespace knl {
namespace {

using Run = void (*)(Workers&, int64_t, const std::function<void(int64_t, int)>&);

// Calls that follow one another at once, so that threads of one are taken by the next.
int EachTaskRunsOnce(Run run, int threads) {
  int cases = 0;
  Threads workers(threads);
  for (int64_t tasks : {0, 1, 2, 3, 7, 64}) {
    for (int repeat = 0; repeat < 20; ++repeat, ++cases) {
      std::vector<std::atomic<int>> times(tasks), busy(threads);
      run(workers, tasks, [&](int64_t index, int worker) {
        if (busy[worker].fetch_add(1) != 0) Fail("two tasks share worker %d", worker);
        ++times[index];
        --busy[worker];
      });
      for (const auto& each : times) {
        if (each != 1) Fail("a task of %ld ran %d times", static_cast<long>(tasks), each.load());
      }
    }
  }
  return cases;
}

// Several callers at once share who stays awake, each with workers of its own.
int CallersDoNotDisturbOneAnother() {
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back([] { EachTaskRunsOnce(RunTasksInTurn, 3); });
  for (auto& caller : callers) caller.join();
  return 3;
}

// A job that is taken is run although its caller has gone; with nobody awake, none is taken.
int WhoStaysRunsWhatWasTaken() {
  if (Standby::Get().Take([] { Fail("nobody should have taken this"); })) Fail("taken by nobody");
  std::atomic<int> ran{0};
  std::thread staying([] { Standby::Get().Stay(std::chrono::milliseconds(200)); });
  int taken = 0;
  while (taken < 3) taken += Standby::Get().Take([&] { ++ran; });
  staying.join();
  if (ran != taken) Fail("%d of %d jobs ran", ran.load(), taken);
  if (Standby::Get().Take([] {})) Fail("taken by one that has left");
  return taken;
}

}  // namespace
}  // namespace knl

int main() {
  using namespace knl;
  // First, while nobody stays awake from a call before.
  Group("who stays awake runs what was taken", WhoStaysRunsWhatWasTaken);
  for (int threads : {1, 2, 5}) {
    Group("each task runs once", [&] { return EachTaskRunsOnce(RunTasks, threads); });
    Group("each task runs once, in turn",
          [&] { return EachTaskRunsOnce(RunTasksInTurn, threads); });
  }
  Group("callers do not disturb one another", CallersDoNotDisturbOneAnother);
  if (failures > 0) std::printf("%d checks failed.\n", failures);
  return failures > 0;
}
