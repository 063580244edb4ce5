// What cuda_hopper_instructions.h promises, on a processor; see cuda_emulated.h.
//
// Descriptors and swizzles are taken apart as PTX's manual says, from addresses alone. Copies
// land at once or as late as they may, by chance. Products are made as late as they may;
// meanwhile their sums are NaN, and their operands may not change.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "cuda_emulated.h"

namespace knl {
namespace cuda {

inline uint32_t InShared(const void* pointer) {
  return static_cast<uint32_t>(static_cast<const uint8_t*>(pointer) - Shared());
}

// ---- Maps of arrays ----

struct TensorMap {
  const uint8_t* array;
  int64_t sizes[4], strides[4];  // bytes from one to the next
  int box_rows;
};

inline const char* MakeTensorMap(TensorMap* map, Element, const void* array, int64_t batch,
                                 int64_t rows, int64_t heads, int64_t width, int box_rows) {
  *map = {static_cast<const uint8_t*>(array), {width, heads, rows, batch},
          {2, width * 2, heads * width * 2, rows * heads * width * 2}, box_rows};
  for (int i = 0; i < 4; ++i) {
    if (map->sizes[i] < 1 || map->sizes[i] > int64_t{1} << 32) return "a map's sizes";
    if (i > 0 && map->strides[i] % 16 != 0) return "a map's strides";
  }
  if (reinterpret_cast<uintptr_t>(array) % 16 != 0) return "a map's array";
  return box_rows < 1 || box_rows > 256 ? "a map's box" : nullptr;
}

using Barrier = uint64_t;

namespace emulated {

// How a Barrier's 64 bits are used.
struct BarrierState {
  int32_t phase;  // how many have ended
  uint32_t arrivals : 6, missing : 6;
  int32_t bytes : 20;  // announced, not there
};
static_assert(sizeof(BarrierState) == sizeof(Barrier), "");

struct TileProduct {
  Element element;
  int columns;
  float* c[128];
  const uint32_t* a_registers[128];  // null where a descriptor tells of `a`
  uint64_t a, b;
  bool turn_a, turn_b, adds;
  std::vector<uint16_t> operands;  // as they were when it began
};

// Four warps.
struct WarpGroup {
  Meeting meeting;
  bool fenced = false;
  std::vector<TileProduct> begun;
  std::deque<std::vector<TileProduct>> committed;  // oldest first
  std::map<float*, std::vector<float>> sums;       // of what is begun, by thread 0's registers
};

struct Landing {
  Barrier* barrier;
  TensorMap map;
  uint8_t* to;
  int at[4];
  const void* from;  // bytes in a row instead of a box
  int bytes;
};

struct HopperBlock {
  int changes = 0;  // of barriers
  std::vector<Landing> copies;
  WarpGroup groups[4];
};

inline HopperBlock& Hopper() {
  static HopperBlock* block = nullptr;
  if (Current()->at_end.empty()) {
    delete block;
    block = new HopperBlock;
    Current()->at_end.push_back([] {
      if (!block->copies.empty()) Stop("a block ended before its copies");
      for (const WarpGroup& group : block->groups) {
        if (!group.sums.empty()) Stop("a block ended before its products");
      }
    });
  }
  return *block;
}

inline BarrierState& State(Barrier* barrier) {
  return *reinterpret_cast<BarrierState*>(barrier);
}

inline void Changed(Barrier* barrier) {
  BarrierState& b = State(barrier);
  if (b.missing == 0 && b.bytes == 0) ++b.phase, b.missing = b.arrivals;
  ++Hopper().changes;
}

inline uint32_t Swizzled(uint32_t address) { return address ^ (address >> 7 & 7) << 4; }

inline void Land(const Landing& copy) {
  if (copy.from != nullptr) {
    std::memcpy(copy.to, copy.from, copy.bytes);
    State(copy.barrier).bytes -= copy.bytes;
    return Changed(copy.barrier);
  }
  const TensorMap& map = copy.map;
  const uint32_t to = InShared(copy.to);
  for (int row = 0; row < map.box_rows; ++row) {
    for (int column = 0; column < 64; ++column) {
      const int64_t at[4] = {copy.at[0] + column, copy.at[1], int64_t{copy.at[2]} + row,
                             copy.at[3]};
      const uint8_t* from = map.array;
      bool inside = true;
      for (int i = 0; i < 4; ++i) {
        inside &= at[i] >= 0 && at[i] < map.sizes[i];
        from += at[i] * map.strides[i];
      }
      uint16_t bits = 0;
      if (inside) std::memcpy(&bits, from, 2);
      std::memcpy(Shared() + Swizzled(to + row * 128 + column * 2), &bits, 2);
    }
  }
  State(copy.barrier).bytes -= map.box_rows * 128;
  Changed(copy.barrier);
}

inline void BeginCopy(const Landing& copy) {
  if (Orders()() % 2 == 0) {
    Land(copy);
  } else {
    Hopper().copies.push_back(copy);
    ++Hopper().changes;
  }
}

// Bits of an operand [64 or columns, 16] that a descriptor tells of.
inline void ReadOperand(uint64_t descriptor, int count, bool turned,
                        std::vector<uint16_t>* bits) {
  if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0) Stop("a descriptor's swizzle");
  const uint32_t begin = (descriptor & 0x3fff) * 16;
  const uint32_t leading = (descriptor >> 16 & 0x3fff) * 16;
  const uint32_t stride = (descriptor >> 32 & 0x3fff) * 16;
  for (int i = 0; i < count; ++i) {
    for (int k = 0; k < 16; ++k) {
      // Eight rows of 128 bytes are one unit. Turned: 64 of `count` and 8 of depth.
      const uint32_t address =
          turned ? begin + i / 64 * leading + i % 64 * 2 + k / 8 * stride + k % 8 * 128
                 : begin + i / 8 * stride + i % 8 * 128 + k * 2;
      if (Swizzled(address) + 2 > Current()->shared.size() - 1024) Stop("a descriptor's reach");
      uint16_t one;
      std::memcpy(&one, Shared() + Swizzled(address), 2);
      bits->push_back(one);
    }
  }
}

// `a` [64, 16], then `b` [columns, 16].
inline std::vector<uint16_t> Operands(const TileProduct& p) {
  std::vector<uint16_t> bits;
  if (p.a_registers[0] == nullptr) {
    ReadOperand(p.a, 64, p.turn_a, &bits);
  } else {
    bits.resize(64 * 16);
    for (int thread = 0; thread < 128; ++thread) {
      for (int r = 0; r < 4; ++r) {
        for (int e = 0; e < 2; ++e) {
          const int row = thread / 32 * 16 + thread % 32 / 4 + r % 2 * 8;
          const int k = thread % 4 * 2 + e + r / 2 * 8;
          bits[row * 16 + k] = p.a_registers[thread][r] >> 16 * e;
        }
      }
    }
  }
  ReadOperand(p.b, p.columns, p.turn_b, &bits);
  return bits;
}

inline void Begin(WarpGroup& group, TileProduct p) {
  if (!group.fenced) Stop("products without a fence before");
  p.operands = Operands(p);
  std::vector<float>& sums = group.sums[p.c[0]];
  const int size = p.columns / 2;
  if (sums.empty()) {
    for (int thread = 0; thread < 128; ++thread) {
      sums.insert(sums.end(), p.c[thread], p.c[thread] + size);
      std::fill(p.c[thread], p.c[thread] + size, NAN);
    }
  }
  if (sums.size() != 128u * size) Stop("two products share some of their sums");
  group.begun.push_back(std::move(p));
}

inline void Finish(WarpGroup& group, const TileProduct& p) {
  if (Operands(p) != p.operands) Stop("operands changed during a product");
  std::vector<float> x(p.operands.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = p.element == Element::kBFloat16 ? FromBFloat16(p.operands[i])
                                           : FromFloat16(p.operands[i]);
  }
  std::vector<float>& sums = group.sums[p.c[0]];
  for (int thread = 0; thread < 128; ++thread) {
    for (int i = 0; i < p.columns / 2; ++i) {
      const int row = thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8;
      const int column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      const float* a = x.data() + row * 16;
      const float* b = x.data() + (64 + column) * 16;
      float& sum = sums[thread * (p.columns / 2) + i];
      if (!p.adds) sum = 0;
      for (int k = 0; k < 16; ++k) sum += a[k] * b[k];
    }
  }
}

inline void Finish(WarpGroup& group, size_t pending) {
  std::map<float*, TileProduct> done;
  while (group.committed.size() > pending) {
    for (const TileProduct& p : group.committed.front()) {
      Finish(group, p);
      done[p.c[0]] = p;
    }
    group.committed.pop_front();
  }
  for (const auto& products : group.committed) {
    for (const TileProduct& p : products) done.erase(p.c[0]);
  }
  for (const TileProduct& p : group.begun) done.erase(p.c[0]);
  for (const auto& it : done) {
    const TileProduct& p = it.second;
    const float* sums = group.sums[p.c[0]].data();
    for (int thread = 0; thread < 128; ++thread) {
      std::copy_n(sums + thread * (p.columns / 2), p.columns / 2, p.c[thread]);
    }
    group.sums.erase(p.c[0]);
  }
  group.fenced = false;
}

// `act` gets the warp group, and what each of its threads brought.
template <class Act>
void Together(void* mine, Act act) {
  const int thread = Thread();
  WarpGroup& group = Hopper().groups[thread / 128];
  Meet(group.meeting, thread % 128, 128, mine, [&](void** all) { act(group, all); });
}

struct MyPart {
  float* c;
  const uint32_t* a_registers;
  uint64_t a, b;
};

inline void Begin(Element element, int columns, MyPart part, bool turn_a, bool turn_b,
                  bool adds) {
  Together(&part, [&](WarpGroup& group, void** all) {
    TileProduct p = {};
    p.element = element, p.columns = columns;
    p.a = part.a, p.b = part.b, p.turn_a = turn_a, p.turn_b = turn_b, p.adds = adds;
    for (int thread = 0; thread < 128; ++thread) {
      const MyPart& its = *static_cast<MyPart*>(all[thread]);
      if (its.a != part.a || its.b != part.b) Stop("warps disagree about a product");
      p.c[thread] = its.c, p.a_registers[thread] = its.a_registers;
    }
    Begin(group, std::move(p));
  });
}

}  // namespace emulated

// ---- Barriers in shared memory ----

inline void InitBarrier(Barrier* barrier, int arrivals) {
  emulated::BarrierState& b = emulated::State(barrier);
  b.phase = 0, b.bytes = 0;
  b.arrivals = b.missing = arrivals;
}

inline void FenceBarriers() {}

inline void ArriveAndExpect(Barrier* barrier, int bytes) {
  emulated::BarrierState& b = emulated::State(barrier);
  if (b.missing == 0) emulated::Stop("more arrivals than a barrier's phase has");
  --b.missing;
  b.bytes += bytes;
  emulated::Changed(barrier);
}

inline void Arrive(Barrier* barrier) { ArriveAndExpect(barrier, 0); }

inline void WaitForPhase(Barrier* barrier, int parity) {
  while ((emulated::State(barrier).phase & 1) == parity) {
    auto& hopper = emulated::Hopper();
    std::vector<emulated::Landing> later, now;
    for (const auto& copy : hopper.copies) {
      (copy.barrier == barrier ? now : later).push_back(copy);
    }
    hopper.copies = later;
    for (const auto& copy : now) emulated::Land(copy);
    if ((emulated::State(barrier).phase & 1) != parity) return;
    emulated::WaitWhile(&hopper.changes, hopper.changes);
  }
}

// ---- Copies ----

inline void CopyBox(void* to, const TensorMap& map, Barrier* barrier, int column, int head,
                    int row, int batch) {
  if (InShared(to) % 1024 != 0) emulated::Stop("a box begins amid a swizzle");
  emulated::BeginCopy({barrier, map, static_cast<uint8_t*>(to), {column, head, row, batch},
                       nullptr, 0});
}

inline void CopyBytes(void* to, const void* from, int bytes, Barrier* barrier) {
  if (InShared(to) % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0 || bytes % 16 != 0) {
    emulated::Stop("bytes to copy are not aligned");
  }
  emulated::BeginCopy({barrier, {}, static_cast<uint8_t*>(to), {}, from, bytes});
}

inline void PrefetchMap(const TensorMap&) {}
inline void FenceShared() {}

// Four 8 x 8 matrices of 16 bits; each thread tells where a row begins.
inline void StoreMatrices(void* row, const uint32_t* registers) {
  struct It { void* row; const uint32_t* registers; } it = {row, registers};
  Warp(&it, [](void** all) {
    for (int matrix = 0; matrix < 4; ++matrix) {
      for (int lane = 0; lane < 32; ++lane) {
        uint8_t* to = static_cast<uint8_t*>(static_cast<It*>(all[matrix * 8 + lane / 4])->row);
        std::memcpy(to + lane % 4 * 4, &static_cast<It*>(all[lane])->registers[matrix], 4);
      }
    }
  });
}

// To four neighbours; `sum` is aligned to 16 bytes.
inline void AtomicAdd4(float* sum, const float* x) {
  for (int i = 0; i < 4; ++i) sum[i] += x[i];
}

// ---- Named barriers, 1 to 15 ----

inline void ArriveNamed(int name, int threads) {
  emulated::Meeting& meeting = emulated::Current()->named[name];
  if (++meeting.arrived == threads) meeting.arrived = 0, ++meeting.count;
}

inline void SyncNamed(int name, int threads) {
  emulated::Meeting& meeting = emulated::Current()->named[name];
  const int count = meeting.count;
  ArriveNamed(name, threads);
  emulated::WaitWhile(&meeting.count, count);
}

// ---- Registers ----

template <int kCount>
void GrowRegisters() {}
template <int kCount>
void ShrinkRegisters() {}

// ---- Products ----

template <int kCount>
void Pin(float (&)[kCount]) {}
template <int kCount>
void Pin(uint32_t (&)[kCount]) {}

inline void Finish(float x) {
  if (x < 0) emulated::Stop("a number that is never below 0 is");
}

inline void FenceProducts() {
  emulated::Together(nullptr, [](emulated::WarpGroup& group, void**) { group.fenced = true; });
}

inline void CommitProducts() {
  emulated::Together(nullptr, [](emulated::WarpGroup& group, void**) {
    group.committed.push_back(std::move(group.begun));
    group.begun.clear();
  });
}

template <int kPending>
void WaitForProducts() {
  emulated::Together(nullptr, [](emulated::WarpGroup& group, void**) {
    emulated::Finish(group, size_t{kPending});
  });
}

template <Element kElement, int kColumns, bool kTurnA, bool kTurnB>
void MultiplyTiles(float (&c)[kColumns / 2], uint64_t a, uint64_t b, bool adds) {
  emulated::Begin(kElement, kColumns, {c, nullptr, a, b}, kTurnA, kTurnB, adds);
}

template <Element kElement, int kColumns, bool kTurnB>
void MultiplyTile(float (&c)[kColumns / 2], const uint32_t* a, uint64_t b, bool adds) {
  emulated::Begin(kElement, kColumns, {c, a, 0, b}, false, kTurnB, adds);
}

}  // namespace cuda
}  // namespace knl
