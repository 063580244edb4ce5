// dropout.h on a GPU: which weights of a block of queries and 64 keys stay, drawn by the block
// together, so that each random number is made once.
#pragma once

#include "cuda_instructions.h"
#include "dropout.h"

namespace knl {
namespace cuda {

struct Dropout {
  uint32_t threshold;  // 0: none is dropped
  float growth;        // of what stays
  uint32_t seed[2];

  KNL_DEVICE Dropout(float rate, const uint32_t* from) {
    threshold = static_cast<uint32_t>(rate * 65536.0f + 0.5f);
    growth = 65536.0f / (65536.0f - static_cast<float>(threshold));
    seed[0] = threshold == 0 ? 0 : from[0];
    seed[1] = threshold == 0 ? 0 : from[1];
  }
};

// Of kQueries rows and 64 keys: byte [query][key % 16], whose bit key / 16 % 4 says that the
// weight stays.
template <int kQueries>
struct Stay {
  static constexpr int kBytes = kQueries * 16;
  uint8_t* memory;

  // `query` is even and `key` a multiple of 64. Seen after the next meeting of the block.
  template <int kThreads>
  KNL_DEVICE void Draw(const Dropout& dropout, int row, int query, int key) const {
    for (int i = Thread(); i < kQueries / 2 * 16; i += kThreads) {
      uint32_t x[4] = {static_cast<uint32_t>(key / 4 + i % 16),
                       static_cast<uint32_t>(query / 2 + i / 16), static_cast<uint32_t>(row), 0};
      uint32_t key0 = dropout.seed[0], key1 = dropout.seed[1];
      KNL_UNROLL
      for (int round = 0; round < philox::kRounds; ++round) {
        const uint32_t high0 = MultiplyHigh(philox::kMultiplier0, x[0]);
        const uint32_t low0 = philox::kMultiplier0 * x[0];
        const uint32_t high1 = MultiplyHigh(philox::kMultiplier1, x[2]);
        const uint32_t low1 = philox::kMultiplier1 * x[2];
        x[0] = high1 ^ x[1] ^ key0;
        x[1] = low1;
        x[2] = high0 ^ x[3] ^ key1;
        x[3] = low0;
        key0 += philox::kWeyl0;
        key1 += philox::kWeyl1;
      }
      KNL_UNROLL
      for (int q = 0; q < 2; ++q) {
        uint32_t stay = 0;
        KNL_UNROLL
        for (int group = 0; group < 4; ++group) {
          const uint32_t bits = x[2 * q + group / 2] >> group % 2 * 16 & 0xffff;
          stay |= static_cast<uint32_t>(bits >= dropout.threshold) << group;
        }
        memory[(i / 16 * 2 + q) * 16 + i % 16] = static_cast<uint8_t>(stay);
      }
    }
  }

  KNL_DEVICE bool Has(int query, int key) const {
    return memory[query * 16 + key % 16] >> (key / 16 % 4) & 1;
  }
};

}  // namespace cuda
}  // namespace knl
