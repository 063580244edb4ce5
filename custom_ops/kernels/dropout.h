// Which weights dropout drops: a function of (seed, batch, head, query, key) alone, so that
// every instruction set, tile and thread drops the same and the backward pass stores no
// mask. Philox4x32 with 7 rounds (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", 2011), the fewest that pass BigCrush.
//
//   counter = (key / 64 * 16 + key % 16, query / 2, batch * H + head, 0)
//   word    = 2 * (query % 2) + key / 32 % 2     of the four that a counter gives
//   bits    = the low 16 bits of the word for even key / 16, else the high 16
//   dropped = bits < round(rate * 65536)
//
// Neighbouring keys lie in neighbouring counters, so a vector of keys needs no shuffle.
#pragma once

#include <cstdint>

namespace knl {
namespace philox {

constexpr int kRounds = 7;
constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;

}  // namespace philox
}  // namespace knl
