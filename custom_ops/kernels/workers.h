// Shares numbered tasks among a framework's threads.
#pragma once

#include <cstdint>
#include <functional>

#include "call.h"

namespace knl {

// Runs task(index, worker) for every index below `tasks`, in rising order of start, and
// returns when all have ended. `worker` is below workers.count(); no two tasks share one at
// a time, so it can number scratch. This thread works too and waits for tasks alone, never
// for jobs that have not started: threads of a pool may call this without locking it up.
void RunTasks(Workers& workers, int64_t tasks,
              const std::function<void(int64_t index, int worker)>& task);

// The same where calls follow one another within microseconds, as the products of one written
// token do: the other threads stay awake a little for the next call, whoever makes it, since
// waking one takes as long as its share of the work.
void RunTasksInTurn(Workers& workers, int64_t tasks,
                    const std::function<void(int64_t index, int worker)>& task);

}  // namespace knl
