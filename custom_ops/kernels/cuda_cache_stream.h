// Keys and values of a cache on their way to one warp: slice by slice of a tile of columns,
// several slices ahead of their use.
#pragma once

#include "cached_attention.h"
#include "cuda_product.h"
#include "cuda_scores.h"

namespace knl {
namespace cuda {

constexpr int kTileColumns = 32;  // one for each thread of the warp
constexpr int kSliceBytes = 128;  // of a head, at most: it fills all banks
constexpr int kSliceStride = kSliceBytes + 16;  // eight columns' chunks lie in different banks
constexpr int kStageBytes = kTileColumns * kSliceStride;
constexpr int kStages = 3;  // slices of a warp that are used or on their way
constexpr int kStreamBytes = kStages * kStageBytes;

struct alignas(16) Chunk {
  uint32_t words[4];
};

template <class E>
constexpr int kInWord = 4 / sizeof(typename E::Type);  // elements

template <class E>
KNL_DEVICE void Unpack(uint32_t word, float (&x)[kInWord<E>]) {
  if constexpr (kInWord<E> == 2) {
    x[0] = E::Read(static_cast<uint16_t>(word));
    x[1] = E::Read(static_cast<uint16_t>(word >> 16));
  } else {
    x[0] = FromBits(word);
  }
}

// For each tile: the slices of its keys, then those of its values.
template <class E>
class CacheStream {
 public:
  using Type = typename E::Type;
  static constexpr int kElements = kSliceBytes / sizeof(Type);  // of a slice

  // Tiles begin at `first`, first + step and so on; columns from `end` on are zeros.
  KNL_DEVICE CacheStream(const CachedAttention& a, const void* cache, bool chunks, int row,
                         int kv_head, int first, int step, int end, uint8_t* memory)
      : a_(a), cache_(static_cast<const uint8_t*>(cache)), chunks_(chunks), row_(row),
        kv_head_(kv_head), step_(step), end_(end), column_(first), memory_(memory) {
    from_ = RowOf(first + Lane());
    next_from_ = RowOf(first + step + Lane());
#pragma unroll 1
    for (int i = 0; i < kStages - 1; ++i) Send();
  }

  // The next slice, column after column at a distance of kSliceStride bytes. Its last chunk
  // of 16 bytes ends with zeros; others are whatever was there. Holds until the next call.
  KNL_DEVICE const uint8_t* Next() {
    WaitForCopies<kStages - 2>();
    SyncWarp();
    Send();
    const uint8_t* slice = memory_ + taken_ * kStageBytes;
    taken_ = taken_ == kStages - 1 ? 0 : taken_ + 1;
    return slice;
  }

 private:
  KNL_DEVICE int HeadBytes() const { return static_cast<int>(a_.width * sizeof(Type)); }
  KNL_DEVICE int64_t ColumnBytes() const { return a_.kv_heads * HeadBytes(); }

  // Where column j is read from.
  KNL_DEVICE int RowOf(int j) const {
    if (a_.ancestors == nullptr || j >= end_ || j >= a_.index) return row_;
    const int beams = static_cast<int>(a_.beams);
    const int ancestor = a_.ancestors[row_ * a_.columns + j];
    return row_ / beams * beams + Larger(0, Smaller(ancestor, beams - 1));
  }

  // The head of column j, if that is the row's own.
  KNL_DEVICE const uint8_t* HeadAt(int j, bool values) const {
    return cache_ + ((2 * int64_t{row_} + values) * a_.columns + j) * ColumnBytes() +
           int64_t{kv_head_} * HeadBytes();
  }

  // How far from there it is. All threads ask.
  KNL_DEVICE int64_t ToAncestor(int in_tile) const {
    if (a_.ancestors == nullptr) return 0;
    return (Shuffle(from_, in_tile) - row_) * (2 * a_.columns * ColumnBytes());
  }

  KNL_DEVICE void Send() {
    if (column_ < end_) {
      const int slices = UpDivide(HeadBytes(), kSliceBytes);
      const bool values = part_ >= slices;
      const int begin = (values ? part_ - slices : part_) * kSliceBytes;
      const int bytes = Smaller(kSliceBytes, HeadBytes() - begin);
      uint8_t* to = memory_ + sent_ * kStageBytes;
      if (chunks_) SendChunks(values, begin, bytes, to);
      else SendElements(values, begin, bytes, to);
      if (++part_ == 2 * slices) {
        part_ = 0;
        column_ += step_;
        from_ = next_from_;
        next_from_ = RowOf(column_ + step_ + Lane());  // used a tile later: nobody waits
      }
    }
    CommitCopies();
    sent_ = sent_ == kStages - 1 ? 0 : sent_ + 1;
  }

  KNL_DEVICE void SendChunks(bool values, int begin, int bytes, uint8_t* to) {
    constexpr int kChunks = kSliceBytes / 16, kAtOnce = 32 / kChunks;  // columns
    const int at = Lane() % kChunks * 16;
    int in_tile = Lane() / kChunks;
    const uint8_t* own = HeadAt(column_ + in_tile, values) + begin + at;
    to += in_tile * kSliceStride + at;
    KNL_UNROLL
    for (int i = 0; i < kTileColumns / kAtOnce; ++i) {
      const uint8_t* from = own + ToAncestor(in_tile);
      if (at < bytes) CopyAsync(to, from, column_ + in_tile < end_);
      in_tile += kAtOnce, own += kAtOnce * ColumnBytes(), to += kAtOnce * kSliceStride;
    }
  }

  KNL_DEVICE void SendElements(bool values, int begin, int bytes, uint8_t* to) {
    const int count = bytes / sizeof(Type), padded = UpDivide(bytes, 16) * 16 / sizeof(Type);
#pragma unroll 2
    for (int in_tile = 0; in_tile < kTileColumns; ++in_tile) {
      const Type* from = reinterpret_cast<const Type*>(HeadAt(column_ + in_tile, values) +
                                                       ToAncestor(in_tile) + begin);
      const bool is_there = column_ + in_tile < end_;
      Type* row = reinterpret_cast<Type*>(to + in_tile * kSliceStride);
      for (int d = Lane(); d < padded; d += 32) {
        row[d] = is_there && d < count ? from[d] : Type{0};
      }
    }
  }

  const CachedAttention& a_;
  const uint8_t* const cache_;
  const bool chunks_;
  const int row_, kv_head_, step_, end_;
  int column_;  // of the tile that is sent for
  uint8_t* const memory_;
  int from_, next_from_;  // rows of this thread's column, of that tile and the next
  int part_ = 0;          // of the tile: slices of keys, then of values
  int sent_ = 0, taken_ = 0;
};

}  // namespace cuda
}  // namespace knl
