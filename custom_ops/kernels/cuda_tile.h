// Tiles of shared memory: rows of an array of queries, keys or values of one head.
#pragma once

#include "attention.h"
#include "cuda_instructions.h"

namespace knl {
namespace cuda {

// ---- Types of arrays ----

// kDepth: how many products a tensor core sums at once.
struct Float32 {
  using Type = float;
  static constexpr Element kElement = Element::kFloat32;
  static constexpr int kDepth = 8;
  static KNL_DEVICE float Read(float x) { return x; }
  static KNL_DEVICE float Round(float x) { return x; }
};

struct BFloat16 {
  using Type = uint16_t;
  static constexpr Element kElement = Element::kBFloat16;
  static constexpr int kDepth = 16;
  static KNL_DEVICE float Read(uint16_t bits) { return FromBFloat16(bits); }
  static KNL_DEVICE uint16_t Round(float x) { return ToBFloat16(x); }
  static KNL_DEVICE uint32_t Pack(float low, float high) { return PackBFloat16(low, high); }
};

struct Float16 {
  using Type = uint16_t;
  static constexpr Element kElement = Element::kFloat16;
  static constexpr int kDepth = 16;
  static KNL_DEVICE float Read(uint16_t bits) { return FromFloat16(bits); }
  static KNL_DEVICE uint16_t Round(float x) { return ToFloat16(x); }
  static KNL_DEVICE uint32_t Pack(float low, float high) { return PackFloat16(low, high); }
};

// ---- Tiles ----

// Rows of kWidth elements. The 16-byte chunks of a row lie in an order that depends on the
// row, so that the rows of a column lie in different banks.
template <class E, int kWidth>
struct Tile {
  using Type = typename E::Type;
  static constexpr int kRowBytes = kWidth * sizeof(Type);
  static_assert(kRowBytes >= 128, "a row fills all banks");
  static constexpr int kChunk = 16 / sizeof(Type);  // elements

  uint8_t* memory;

  KNL_DEVICE Type* At(int row, int column) const {
    // ldmatrix takes eight rows of a chunk at once; for floats, four rows of two chunks are
    // read, or two chunks of every other row.
    const int turn = sizeof(Type) == 2 ? row % 8 : 2 * ((row ^ row >> 2) % 4);
    return reinterpret_cast<Type*>(memory + row * kRowBytes + (column / kChunk ^ turn) * 16) +
           column % kChunk;
  }
};

// Where the rows of one head of one sequence lie in an array.
template <class Type>
struct Rows {
  Type* first;
  int64_t stride;  // elements from row to row
  int count;
  int width;
  bool chunks;  // all begin and end at multiples of 16 bytes
};

// Rows [first, first + kRows) into a tile: what is behind the array's rows and columns is
// zero. Done at the next wait for copies and meeting of the block.
template <int kRows, int kThreads, class E, int kWidth>
KNL_DEVICE void Load(const Rows<const typename E::Type>& rows, int first,
                     const Tile<E, kWidth>& tile) {
  using T = Tile<E, kWidth>;
  constexpr int kChunks = kWidth / T::kChunk;
#pragma unroll 1  // more would keep more addresses in registers
  for (int i = Thread(); i < kRows * kChunks; i += kThreads) {
    const int row = i / kChunks, column = i % kChunks * T::kChunk;
    const bool there = first + row < rows.count && column < rows.width;
    const auto* from = rows.first + (there ? (first + row) * rows.stride + column : 0);
    auto* to = tile.At(row, column);
    if (rows.chunks) {
      CopyAsync(to, from, there);
    } else {
      for (int e = 0; e < T::kChunk; ++e) {
        to[e] = there && column + e < rows.width ? from[e] : typename E::Type{};
      }
    }
  }
}

// Rows [begin, end) of a tile, which one warp has written, to rows first + begin and on.
template <class E, int kWidth>
KNL_DEVICE void Store(const Tile<E, kWidth>& tile, int begin, int end,
                      const Rows<typename E::Type>& rows, int first) {
  using T = Tile<E, kWidth>;
  constexpr int kChunks = kWidth / T::kChunk;
  SyncWarp();
  for (int i = Thread() % 32; i < (end - begin) * kChunks; i += 32) {
    const int row = begin + i / kChunks, column = i % kChunks * T::kChunk;
    if (first + row >= rows.count || column >= rows.width) continue;
    auto* to = rows.first + (first + row) * rows.stride + column;
    const auto* from = tile.At(row, column);
    if (rows.chunks) {
      struct alignas(16) Chunk { uint32_t words[4]; };
      *reinterpret_cast<Chunk*>(to) = *reinterpret_cast<const Chunk*>(from);
    } else {
      for (int e = 0; e < T::kChunk && column + e < rows.width; ++e) to[e] = from[e];
    }
  }
}

}  // namespace cuda
}  // namespace knl
