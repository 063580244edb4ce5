// Threads that stay awake for work that will come within microseconds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace knl {

// Asks again and again, for so long, without giving the processor away: whether `done()` came
// to hold.
template <class Done>
bool AwakeUntil(std::chrono::microseconds time, const Done& done) {
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
#if defined(__SSE2__)
      _mm_pause();
#else
      std::this_thread::yield();
#endif
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

// One for the process. A job that was taken will be run, by a thread that stays.
class Standby {
 public:
  static Standby& Get() {
    static Standby* const standby = new Standby;  // never ended: threads may outlive `exit`
    return *standby;
  }

  // Leaves the job to a thread that stays and has none. False if there is no such thread.
  bool Take(const std::function<void()>& job) {
    if (idle_.load() == 0) return false;
    std::lock_guard<std::mutex> lock(mutex_);
    if (left_.load() >= idle_.load()) return false;
    jobs_.push_back(job);
    ++left_;
    return true;
  }

  // Runs jobs as they come; returns when none has come for so long.
  void Stay(std::chrono::microseconds time) {
    ++idle_;
    for (;;) {
      AwakeUntil(time, [&] { return left_.load() > 0; });
      std::function<void()> job;
      {
        std::lock_guard<std::mutex> lock(mutex_);
        --idle_;  // whoever leaves takes one, if there is one: no job is left alone
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
        --left_;
      }
      job();
      ++idle_;
    }
  }

 private:
  std::mutex mutex_;  // of what is taken away; `idle_` may rise without it
  std::deque<std::function<void()>> jobs_;
  std::atomic<int64_t> left_{0};  // jobs_.size()
  std::atomic<int64_t> idle_{0};
};

}  // namespace knl
