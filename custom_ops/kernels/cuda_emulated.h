// CUDA on a processor, for tests where there is no GPU: each thread of a block is a fiber,
// and what a warp does together is done by whichever of its threads comes last.
//
// It shows wrong indices, fragments, masks and missing waits: shared memory and scratch begin
// as NaN, asynchronous copies land as late as they may, blocks and warps run in another order
// at each launch, and threads that wait for each other for ever end the program. It cannot
// show races within a warp, what an instruction costs, or a descriptor that this file and a
// kernel misread alike.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "reference.h"

struct CUstream_st;  // there is none

#define KNL_DEVICE inline
#define KNL_HOST_DEVICE inline
#define KNL_KERNEL(threads, blocks) void
#define KNL_UNROLL

namespace knl {
namespace cuda {

struct Grid {
  unsigned x = 1, y = 1, z = 1;
};

namespace emulated {

[[noreturn]] inline void Stop(const char* why) {
  std::fprintf(stderr, "emulated CUDA: %s\n", why);
  std::abort();
}

// Threads that wait for each other: the last one does what they all came for.
struct Meeting {
  int arrived = 0;
  int count = 0;  // how often they have met
  void* brought[512];
};

struct Copy {
  void* to;
  const void* from;  // null: zeros
  int bytes;
};

struct Fiber {
  ucontext_t context;
  jmp_buf where;
  bool begun = false, done = false;
  const int* waits_for = nullptr;  // runs on once it is no longer `unless`
  int unless = 0;
  std::unique_ptr<char[]> stack;
  std::vector<Copy> copies;                  // begun, not committed
  std::vector<std::vector<Copy>> committed;  // oldest first
};

struct Block {
  Grid index, grid;
  int threads = 0;
  std::vector<Fiber> fibers;
  std::vector<Meeting> warps;
  Meeting whole, named[16];
  std::vector<uint8_t> shared;
  int now = 0, left = 0;
  std::vector<int> order;
  std::function<void()> body;
  std::vector<std::function<void()>> at_end;  // what to check then
  jmp_buf caller;
};

inline Block*& Current() {
  static Block* block = nullptr;
  return block;
}

// Goes on with another thread that can run; returns when this one may.
inline void Yield() {
  Block& b = *Current();
  if (!b.fibers[b.now].done && _setjmp(b.fibers[b.now].where) != 0) return;
  if (b.left == 0) _longjmp(b.caller, 1);
  const int threads = b.threads;
  int at = b.order[b.now];  // a ring through all of them
  for (int tried = 0; tried < threads; ++tried, at = b.order[at]) {
    Fiber& f = b.fibers[at];
    if (f.done || (f.waits_for != nullptr && *f.waits_for == f.unless)) continue;
    f.waits_for = nullptr;
    b.now = at;
    if (f.begun) _longjmp(f.where, 1);
    f.begun = true;
    setcontext(&f.context);
  }
  Stop("threads wait for each other for ever");
}

inline void WaitWhile(const int* counter, int value) {
  Block& b = *Current();
  if (*counter != value) return;
  b.fibers[b.now].waits_for = counter;
  b.fibers[b.now].unless = value;
  Yield();
}

// `act` gets what each of the `count` threads brought, in the order of their places.
template <class Act>
void Meet(Meeting& meeting, int place, int count, void* brought, Act act) {
  meeting.brought[place] = brought;
  if (++meeting.arrived == count) {
    meeting.arrived = 0;
    act(meeting.brought);
    ++meeting.count;
  } else {
    WaitWhile(&meeting.count, meeting.count);
  }
}

inline void Enter() {
  Block& b = *Current();
  b.body();
  Fiber& f = b.fibers[b.now];
  f.done = true;
  --b.left;
  Yield();
  Stop("a thread ended twice");
}

inline std::mt19937& Orders() {
  static std::mt19937 bits(1);
  return bits;
}

inline void RunBlock(Block& b, size_t shared_bytes) {
  Current() = &b;
  b.shared.assign(shared_bytes + 1024, 0xff);
  b.warps.assign((b.threads + 31) / 32, {});
  b.whole = {};
  for (Meeting& meeting : b.named) meeting = {};
  std::vector<int> warps(b.warps.size());
  for (size_t i = 0; i < warps.size(); ++i) warps[i] = i;
  std::shuffle(warps.begin(), warps.end(), Orders());
  b.order.resize(b.threads);
  int before = warps.back() * 32 + 31;
  for (int warp : warps) {
    for (int lane = 0; lane < 32; ++lane) {
      b.order[before] = warp * 32 + lane;
      before = warp * 32 + lane;
    }
  }
  for (Fiber& f : b.fibers) {
    f.begun = f.done = false;
    f.waits_for = nullptr;
    f.copies.clear();
    f.committed.clear();
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.get();
    f.context.uc_stack.ss_size = 1 << 17;
    f.context.uc_link = nullptr;
    makecontext(&f.context, Enter, 0);
  }
  b.left = b.threads;
  b.now = b.order[before];
  if (_setjmp(b.caller) == 0) {
    b.fibers[b.now].begun = true;
    setcontext(&b.fibers[b.now].context);
  }
  for (const auto& check : b.at_end) check();
  b.at_end.clear();
  Current() = nullptr;
}

inline void Land(const std::vector<Copy>& copies) {
  for (const Copy& c : copies) {
    if (c.from == nullptr) std::memset(c.to, 0, c.bytes);
    else std::memcpy(c.to, c.from, c.bytes);
  }
}

inline Fiber& Me() { return Current()->fibers[Current()->now]; }

}  // namespace emulated

// ---- Launching ----

struct LaunchOn {
  Grid grid;
  int threads;
  size_t shared_bytes;
  void* stream;
};

template <class... Parameters, class... Arguments>
const char* Launch(void (*kernel)(Parameters...), const LaunchOn& on, Arguments... arguments) {
  std::vector<emulated::Fiber> fibers(on.threads);
  for (auto& f : fibers) f.stack.reset(new char[1 << 17]);
  std::vector<Grid> blocks;
  for (unsigned z = 0; z < on.grid.z; ++z) {
    for (unsigned y = 0; y < on.grid.y; ++y) {
      for (unsigned x = 0; x < on.grid.x; ++x) blocks.push_back({x, y, z});
    }
  }
  std::shuffle(blocks.begin(), blocks.end(), emulated::Orders());
  emulated::Block block;
  block.grid = on.grid;
  block.threads = on.threads;
  block.fibers = std::move(fibers);
  block.body = [&] { kernel(arguments...); };
  for (const Grid& index : blocks) {
    block.index = index;
    emulated::RunBlock(block, on.shared_bytes);
  }
  return nullptr;
}

inline const char* Clear(void* memory, size_t bytes, void*) {
  std::memset(memory, 0, bytes);
  return nullptr;
}

// The device that is emulated; tests may change it.
struct Gpu {
  const char* problem = nullptr;
  int version = Version();
  int shared_bytes = SharedBytes();
  int multiprocessors = 4;

  explicit Gpu(int = -1) {}

  static int& Version() {
    static int version = 80;
    return version;
  }
  static int& SharedBytes() {
    static int bytes = 163 * 1024;
    return bytes;
  }
};

// ---- Where a thread is ----

inline int Thread() { return emulated::Current()->now; }
inline Grid BlockIndex() { return emulated::Current()->index; }
inline Grid GridSize() { return emulated::Current()->grid; }

// Aligned to 1,024 bytes.
inline uint8_t* Shared() {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(emulated::Current()->shared.data());
  return reinterpret_cast<uint8_t*>((begin + 1023) / 1024 * 1024);
}

// ---- Together ----

inline void SyncBlock() {
  auto& b = *emulated::Current();
  emulated::Meet(b.whole, b.now, b.threads, nullptr, [](void**) {});
}

inline bool SyncOr(bool mine) {
  auto& b = *emulated::Current();
  struct { bool mine, any; } it = {mine, false};
  const int threads = b.threads;
  emulated::Meet(b.whole, b.now, threads, &it, [&](void** all) {
    bool any = false;
    for (int i = 0; i < threads; ++i) any |= static_cast<decltype(it)*>(all[i])->mine;
    for (int i = 0; i < threads; ++i) static_cast<decltype(it)*>(all[i])->any = any;
  });
  return it.any;
}

template <class Act>
void Warp(void* mine, Act act) {
  auto& b = *emulated::Current();
  emulated::Meet(b.warps[b.now / 32], b.now % 32, 32, mine, act);
}

inline void SyncWarp() {
  Warp(nullptr, [](void**) {});
}

template <class T>
T Shuffle(T mine, int from) {
  struct It { T mine, got; int from; } it = {mine, mine, from};
  Warp(&it, [](void** all) {
    for (int i = 0; i < 32; ++i) {
      It* to = static_cast<It*>(all[i]);
      to->got = static_cast<It*>(all[to->from & 31])->mine;
    }
  });
  return it.got;
}

template <class T>
T ShuffleXor(T mine, int mask) {
  return Shuffle(mine, (Thread() % 32) ^ mask);
}

inline uint32_t Ballot(bool mine) {
  struct It { bool mine; uint32_t got; } it = {mine, 0};
  Warp(&it, [](void** all) {
    uint32_t got = 0;
    for (int i = 0; i < 32; ++i) got |= uint32_t{static_cast<It*>(all[i])->mine} << i;
    for (int i = 0; i < 32; ++i) static_cast<It*>(all[i])->got = got;
  });
  return it.got;
}

// ---- Numbers ----

inline float Exp2(float x) { return std::exp2(x); }
inline float Log2(float x) { return std::log2(x); }
inline float Tanh(float x) { return std::tanh(x); }
inline uint32_t MultiplyHigh(uint32_t x, uint32_t y) { return uint64_t{x} * y >> 32; }
inline uint32_t Bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline float FromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline uint32_t ToTf32(float x) { return (Bits(x) + 0x1000) & 0xffffe000; }

inline uint16_t ToBFloat16(float x) {
  uint16_t bits;
  reference::Write(Element::kBFloat16, x, &bits, 0);
  return bits;
}
inline uint16_t ToFloat16(float x) {
  uint16_t bits;
  reference::Write(Element::kFloat16, x, &bits, 0);
  return bits;
}
inline float FromBFloat16(uint16_t bits) { return reference::Read(Element::kBFloat16, &bits, 0); }
inline float FromFloat16(uint16_t bits) { return reference::Read(Element::kFloat16, &bits, 0); }
inline uint32_t PackBFloat16(float low, float high) {
  return ToBFloat16(low) | uint32_t{ToBFloat16(high)} << 16;
}
inline uint32_t PackFloat16(float low, float high) {
  return ToFloat16(low) | uint32_t{ToFloat16(high)} << 16;
}

inline void AtomicAdd(float* sum, float x) { *sum += x; }
inline void AtomicAdd2(float* sum, float x, float y) { sum[0] += x, sum[1] += y; }

// ---- Matrices ----

namespace emulated {

struct LoadedMatrices {
  uint32_t* registers;
  const void* row;
};

inline void LoadMatrices(void** all, bool transposed) {
  uint16_t matrix[4][8][8];
  for (int i = 0; i < 32; ++i) {
    std::memcpy(matrix[i / 8][i % 8], static_cast<LoadedMatrices*>(all[i])->row, 16);
  }
  for (int i = 0; i < 32; ++i) {
    for (int m = 0; m < 4; ++m) {
      const int row = i / 4, column = i % 4 * 2;
      const uint16_t low = transposed ? matrix[m][column][row] : matrix[m][row][column];
      const uint16_t high = transposed ? matrix[m][column + 1][row] : matrix[m][row][column + 1];
      static_cast<LoadedMatrices*>(all[i])->registers[m] = low | uint32_t{high} << 16;
    }
  }
}

struct Product {
  float* c;
  const uint32_t *a, *b;
};

// Tensor cores do not round their sums, they cut them (Fasi et al., "Numerical behavior of
// NVIDIA tensor cores", 2021).
inline float Cut(double sum) {
  const float near = static_cast<float>(sum);
  return std::fabs(near) > std::fabs(sum) ? std::nextafter(near, 0.0f) : near;
}

// Rows of `a`, columns of `b`, in the layout of mma.m16n8kK.
template <int kDepth, class Read>
void Multiply(void** all, Read read) {
  float a[16][kDepth], b[kDepth][8];
  for (int lane = 0; lane < 32; ++lane) {
    const Product& p = *static_cast<Product*>(all[lane]);
    const int group = lane / 4, place = lane % 4;
    if (kDepth == 16) {
      for (int r = 0; r < 4; ++r) {
        for (int e = 0; e < 2; ++e) {
          a[group + r % 2 * 8][place * 2 + e + r / 2 * 8] = read(p.a[r] >> 16 * e);
          if (r < 2) b[place * 2 + e + r * 8][group] = read(p.b[r] >> 16 * e);
        }
      }
    } else {
      for (int r = 0; r < 4; ++r) {
        a[group + r % 2 * 8][place + r / 2 * 4] = read(p.a[r]);
        if (r < 2) b[place + r * 4][group] = read(p.b[r]);
      }
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    const Product& p = *static_cast<Product*>(all[lane]);
    for (int r = 0; r < 4; ++r) {
      const int row = lane / 4 + r / 2 * 8, column = lane % 4 * 2 + r % 2;
      double sum = p.c[r];
      for (int k = 0; k < kDepth; ++k) sum += double{a[row][k]} * b[k][column];
      p.c[r] = Cut(sum);
    }
  }
}

}  // namespace emulated

// Four 8 x 8 matrices of 16 bits; each thread tells where a row begins.
inline void LoadMatrices(uint32_t (&registers)[4], const void* row) {
  emulated::LoadedMatrices it = {registers, row};
  Warp(&it, [](void** all) { emulated::LoadMatrices(all, false); });
}

inline void LoadMatricesTransposed(uint32_t (&registers)[4], const void* row) {
  emulated::LoadedMatrices it = {registers, row};
  Warp(&it, [](void** all) { emulated::LoadMatrices(all, true); });
}

inline void MultiplyBFloat16(float (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
  emulated::Product it = {c, a, b};
  Warp(&it, [](void** all) {
    emulated::Multiply<16>(all, [](uint32_t bits) { return FromBFloat16(bits); });
  });
}

inline void MultiplyFloat16(float (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
  emulated::Product it = {c, a, b};
  Warp(&it, [](void** all) {
    emulated::Multiply<16>(all, [](uint32_t bits) { return FromFloat16(bits); });
  });
}

// The tensor cores read what is left of a float in TF32.
inline void MultiplyTf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
  emulated::Product it = {c, a, b};
  Warp(&it, [](void** all) {
    emulated::Multiply<8>(all, [](uint32_t bits) { return FromBits(bits & 0xffffe000); });
  });
}

// ---- Asynchronous copies ----

// 16 bytes, or zeros.
inline void CopyAsync(void* to, const void* from, bool is_there) {
  emulated::Me().copies.push_back({to, is_there ? from : nullptr, 16});
}

inline void CommitCopies() {
  auto& me = emulated::Me();
  me.committed.push_back(std::move(me.copies));
  me.copies.clear();
}

// Until at most the kPending latest commits are still on their way.
template <int kPending>
void WaitForCopies() {
  auto& committed = emulated::Me().committed;
  while (committed.size() > kPending) {
    emulated::Land(committed.front());
    committed.erase(committed.begin());
  }
}

}  // namespace cuda
}  // namespace knl
