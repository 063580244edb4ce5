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
      : row_(row), column_(first), step_(step), end_(end), chunks_(chunks),
        head_bytes_(static_cast<int>(a.width * sizeof(Type))),
        column_bytes_(a.kv_heads * head_bytes_), columns_(a.columns),
        head_(static_cast<const uint8_t*>(cache) + int64_t{kv_head} * head_bytes_),
        memory_(memory) {
    if (a.ancestors != nullptr) {
      ancestors_ = a.ancestors + row * a.columns;
      shared_columns_ = Smaller(end, static_cast<int>(a.index));
      beams_ = static_cast<int>(a.beams);
    }
    from_ = RowOf(first + Lane());
    next_from_ = RowOf(first + step + Lane());
    KNL_UNROLL
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
  // Where column j is read from.
  KNL_DEVICE int RowOf(int j) const {
    if (ancestors_ == nullptr || j >= shared_columns_) return row_;
    return row_ / beams_ * beams_ + Larger(0, Smaller(ancestors_[j], beams_ - 1));
  }

  KNL_DEVICE const uint8_t* HeadAt(int in_tile, bool values) const {
    const int64_t from = ancestors_ == nullptr ? row_ : Shuffle(from_, in_tile);
    return head_ + ((2 * from + values) * columns_ + column_ + in_tile) * column_bytes_;
  }

  KNL_DEVICE void Send() {
    if (column_ < end_) {
      const int slices = UpDivide(head_bytes_, kSliceBytes);
      const bool values = part_ >= slices;
      const int begin = (values ? part_ - slices : part_) * kSliceBytes;
      const int bytes = Smaller(kSliceBytes, head_bytes_ - begin);
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
    constexpr int kChunks = kSliceBytes / 16;
    const int at = Lane() % kChunks * 16;
    KNL_UNROLL
    for (int i = 0; i < kChunks; ++i) {
      const int in_tile = i * (32 / kChunks) + Lane() / kChunks;
      const uint8_t* from = HeadAt(in_tile, values) + begin + at;
      if (at < bytes) {
        CopyAsync(to + in_tile * kSliceStride + at, from, column_ + in_tile < end_);
      }
    }
  }

  KNL_DEVICE void SendElements(bool values, int begin, int bytes, uint8_t* to) {
    const int count = bytes / sizeof(Type), padded = UpDivide(bytes, 16) * 16 / sizeof(Type);
#pragma unroll 4
    for (int in_tile = 0; in_tile < kTileColumns; ++in_tile) {
      const Type* from = reinterpret_cast<const Type*>(HeadAt(in_tile, values) + begin);
      const bool is_there = column_ + in_tile < end_;
      Type* row = reinterpret_cast<Type*>(to + in_tile * kSliceStride);
      for (int d = Lane(); d < padded; d += 32) {
        row[d] = is_there && d < count ? from[d] : Type{0};
      }
    }
  }

  const int row_;
  int column_;  // of the tile that is sent for
  const int step_, end_;
  const bool chunks_;
  const int head_bytes_;
  const int64_t column_bytes_, columns_;
  const uint8_t* const head_;
  uint8_t* const memory_;
  const int32_t* ancestors_ = nullptr;  // of the row
  int shared_columns_ = 0, beams_ = 1;
  int from_, next_from_;  // rows of this thread's column, of this tile and the next
  int part_ = 0;          // of the tile: slices of keys, then of values
  int sent_ = 0, taken_ = 0;
};

}  // namespace cuda
}  // namespace knl
