// cached_attention.h on NVIDIA GPUs, where a step of a decoder takes as long as it takes to
// read the cache: each key and value is read once for up to kMostLines queries.
//
// A block has the queries of one key/value head, and a share of the columns that they see. Its
// warps take tiles of columns in turns, each with a softmax of its own; the warps' softmaxes
// are put together at the end, and then those of the shares, by another kernel.
//
// A thread has 168 registers, or 96 where there is one query; four warps take 54 KiB of shared
// memory for what is on its way, and 528 + 4 D bytes for each query. Three blocks fit into a
// multiprocessor of Hopper: 96 KiB of the cache are on their way to it.
#pragma once

#include <algorithm>
#include <cmath>

#include "attention_cuda.h"
#include "cuda_cache_stream.h"
#include "cuda_gpu.h"

namespace knl {
namespace cuda {

// A line is a query of one head; those of a key/value head count token by token, head by head.
constexpr int kMostLines = 8;     // of a block
constexpr int kLinesAtOnce = 4;   // work is left out by so many lines
constexpr int kMostWarps = 4;
constexpr int kBlocksAtOnce = 3;  // of a multiprocessor
constexpr int kWriteThreads = 256;

struct CachedCall {
  CachedAttention a;
  const void *q, *k, *v;
  void *cache, *out;
  float* partial;  // [R, T, H, shares, D + 2]: weights times values, sum of weights, top
  int shares;
  int64_t turns;  // blocks that share the lines of a key/value head
  int warps;
  bool chunks;  // heads of the cache lie at multiples of 16 bytes
};

// ---- Types that are known at run time ----

template <class Act>
KNL_DEVICE void WithElement(Element element, Act act) {
  if (element == Element::kFloat32) act(Float32());
  else if (element == Element::kBFloat16) act(BFloat16());
  else act(Float16());
}

KNL_DEVICE float ReadElement(Element element, const void* array, int64_t i) {
  float x = 0.0f;
  WithElement(element, [&](auto e) {
    x = e.Read(static_cast<const typename decltype(e)::Type*>(array)[i]);
  });
  return x;
}

KNL_DEVICE void WriteElement(Element element, float x, void* array, int64_t i) {
  WithElement(element, [&](auto e) {
    static_cast<typename decltype(e)::Type*>(array)[i] = e.Round(x);
  });
}

// ---- New keys and values ----

constexpr int kInUnit = 8;  // elements that a thread writes

KNL_DEVICE bool InChunks(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0;
}

template <class E>
KNL_DEVICE void ReadUnit(const void* array, int64_t first, int count, float (&x)[kInUnit]) {
  using Type = typename E::Type;
  const Type* from = static_cast<const Type*>(array) + first;
  if (count == kInUnit && InChunks(from)) {
    Type elements[kInUnit];
    constexpr int kChunks = sizeof(elements) / 16;
    Chunk chunks[kChunks];
    KNL_UNROLL
    for (int c = 0; c < kChunks; ++c) chunks[c] = reinterpret_cast<const Chunk*>(from)[c];
    KNL_UNROLL
    for (int i = 0; i < kInUnit / kInWord<E>; ++i) {
      float some[kInWord<E>];
      Unpack<E>(chunks[i / 4].words[i % 4], some);
      KNL_UNROLL
      for (int e = 0; e < kInWord<E>; ++e) x[i * kInWord<E> + e] = some[e];
    }
  } else {
    KNL_UNROLL
    for (int i = 0; i < kInUnit; ++i) x[i] = i < count ? E::Read(from[i]) : 0.0f;
  }
}

template <class E>
KNL_DEVICE void WriteUnit(const float (&x)[kInUnit], void* array, int64_t first, int count) {
  using Type = typename E::Type;
  Type* to = static_cast<Type*>(array) + first;
  if (count == kInUnit && InChunks(to)) {
    constexpr int kChunks = kInUnit * sizeof(Type) / 16;
    KNL_UNROLL
    for (int c = 0; c < kChunks; ++c) {
      Chunk chunk;
      KNL_UNROLL
      for (int w = 0; w < 4; ++w) {
        const int i = (c * 4 + w) * kInWord<E>;
        if constexpr (kInWord<E> == 2) chunk.words[w] = E::Pack(x[i], x[i + 1]);
        else chunk.words[w] = Bits(x[i]);
      }
      reinterpret_cast<Chunk*>(to)[c] = chunk;
    }
  } else {
    KNL_UNROLL
    for (int i = 0; i < kInUnit; ++i) {
      if (i < count) to[i] = E::Round(x[i]);
    }
  }
}

KNL_HOST_DEVICE int64_t UnitsOf(const CachedAttention& a) {  // of a row's new keys
  return (a.queries * a.kv_heads * a.width + kInUnit - 1) / kInUnit;
}

KNL_KERNEL(kWriteThreads, 1) CachedWriteKernel(const CachedCall call) {
  const CachedAttention& a = call.a;
  const int64_t column = a.kv_heads * a.width, size = a.queries * column;
  const int64_t index = int64_t{BlockIndex().x} * kWriteThreads + Thread();
  const int64_t part = index / UnitsOf(a);  // rows' keys, rows' values
  if (part >= 2 * a.rows) return;
  const int64_t first = index % UnitsOf(a) * kInUnit;
  const int count = static_cast<int>(size - first < kInUnit ? size - first : kInUnit);
  float x[kInUnit];
  WithElement(a.element, [&](auto e) {
    ReadUnit<decltype(e)>(part % 2 == 0 ? call.k : call.v, part / 2 * size + first, count, x);
  });
  const int64_t to = (part * a.columns + a.index) * column + first;
  WithElement(a.cache_element, [&](auto e) {
    WriteUnit<decltype(e)>(x, call.cache, to, count);
  });
}

// ---- A block's part ----

// What a line is, and sees of the block's columns.
struct CachedLine {
  int begin, end;
  int position;
  float slope;
};

struct CachedBlock {
  int row, kv_head, share, lines;
  int64_t first_line;
  int begin, end;  // columns of its share that any of its lines sees

  KNL_DEVICE CachedBlock(const CachedCall& call, int most_lines) {
    const CachedAttention& a = call.a;
    int64_t rest = BlockIndex().x;
    first_line = rest % call.turns * most_lines, rest /= call.turns;
    share = static_cast<int>(rest % call.shares), rest /= call.shares;
    kv_head = static_cast<int>(rest % a.kv_heads);
    row = static_cast<int>(rest / a.kv_heads);
    const int64_t left = a.queries * (a.heads / a.kv_heads) - first_line;
    lines = left < most_lines ? static_cast<int>(left) : most_lines;
    const int first = FirstSeen(a, Position(a, 0)), last = Position(a, lines - 1) + 1;
    const int tiles = UpDivide(Larger(0, last - first), kTileColumns);
    const int each = UpDivide(tiles, call.shares) * kTileColumns;
    begin = first + share * each;
    end = Smaller(last, begin + each);
  }

  KNL_DEVICE int Position(const CachedAttention& a, int i) const {
    return static_cast<int>(a.index + (first_line + i) / (a.heads / a.kv_heads));
  }

  KNL_DEVICE int FirstSeen(const CachedAttention& a, int position) const {
    const int columns = static_cast<int>(a.columns);
    const int start = a.starts == nullptr ? 0 : Larger(0, Smaller(a.starts[row], columns));
    if (a.window < 0 || a.window >= position) return start;
    return Larger(start, position - static_cast<int>(a.window));
  }

  KNL_DEVICE CachedLine Line(const CachedAttention& a, int i) const {
    if (i >= lines) return {0, 0, 0, 0.0f};
    const int position = Position(a, i);
    return {Larger(begin, FirstSeen(a, position)), Smaller(end, position + 1), position,
            a.slopes == nullptr ? 0.0f : a.slopes[HeadOf(a, i) % a.heads]};
  }

  // Of all queries' heads, [R, T, H].
  KNL_DEVICE int64_t HeadOf(const CachedAttention& a, int i) const {
    const int64_t together = a.heads / a.kv_heads, line = first_line + i;
    return (row * a.queries + line / together) * a.heads + kv_head * together + line % together;
  }
};

// ---- A warp's softmax of its tiles ----

// kMixed: some lines may not see what others see.
template <class E, int kLines, bool kMixed>
struct CachedSoftmax {
  static constexpr int kEach = kInWord<E>;             // elements of a slice in a thread
  static constexpr int kSlots = kMaxWidth / 32;        // elements of a head in a thread
  static constexpr int kMostSlices = kSlots / kEach;   // of a head
  static constexpr int kElements = kEach * 32;         // of a slice

  float out[kLines][kSlots] = {};
  float sum[kLines] = {};  // of this thread's columns
  float top[kLines];       // -infinity until the line sees a column

  KNL_DEVICE CachedSoftmax() {
    KNL_UNROLL
    for (int i = 0; i < kLines; ++i) top[i] = -INFINITY;
  }

  // act(line) for at least `lines` lines.
  template <class Act>
  static KNL_DEVICE void ForLines(int lines, Act act) {
    KNL_UNROLL
    for (int i = 0; i < kLines; ++i) {
      if (i > 0 && i % kLinesAtOnce == 0 && i >= lines) break;
      act(i);
    }
  }

  // scores += products of queries with the key of this thread's column, for a slice of
  // `width` elements; q [kLines][stride] ends with zeros.
  static KNL_DEVICE void AddProducts(const uint8_t* keys, const float* q, int stride, int width,
                                     int lines, float (&scores)[kLines]) {
    constexpr int kInChunk = 4 * kEach;
    const Chunk* key = reinterpret_cast<const Chunk*>(keys + Lane() * kSliceStride);
#pragma unroll 1
    for (int d = 0; d < width; d += kInChunk, ++key) {
      const Chunk chunk = *key;
      KNL_UNROLL
      for (int n = 0; n < kEach; ++n) {  // four elements
        float x[4];
        KNL_UNROLL
        for (int e = 0; e < 4; ++e) {
          float some[kEach];
          const int at = 4 * n + e;
          Unpack<E>(chunk.words[at / kEach], some);
          x[e] = some[at % kEach];
        }
        ForLines(lines, [&](int i) {
          const Chunk query = *reinterpret_cast<const Chunk*>(q + i * stride + d + 4 * n);
          KNL_UNROLL
          for (int e = 0; e < 4; ++e) scores[i] += FromBits(query.words[e]) * x[e];
        });
      }
    }
  }

  // Makes weights [kLines][kTileColumns] of this thread's scores, for column j.
  KNL_DEVICE void AddScores(const CachedAttention& a, const CachedLine* of, int lines, int j,
                            const float (&scores)[kLines], float* weights) {
    const float inverse = a.soft_cap > 0.0f ? 1.0f / a.soft_cap : 0.0f;
    ForLines(lines, [&](int i) {
      const CachedLine line = of[i];
      float score = scores[i];
      if (a.soft_cap > 0.0f) score = a.soft_cap * Tanh(score * inverse);
      if (a.slopes != nullptr) score -= line.slope * static_cast<float>(line.position - j);
      const bool seen = j >= line.begin && j < line.end;
      score = seen ? score * kLog2E : -INFINITY;
      if (Ballot(score > top[i]) != 0) {
        float highest = score;
        KNL_UNROLL
        for (int mask = 16; mask > 0; mask /= 2) {
          highest = fmaxf(highest, ShuffleXor(highest, mask));
        }
        const float factor = Exp2(top[i] - highest);
        top[i] = highest;
        sum[i] *= factor;
        KNL_UNROLL
        for (int d = 0; d < kSlots; ++d) out[i][d] *= factor;
      }
      const float weight = seen ? Exp2(score - top[i]) : 0.0f;
      sum[i] += weight;
      weights[i * kTileColumns + Lane()] = weight;
    });
  }

  // out += weights times values of the first columns, for a slice: registers have no index,
  // so that each slice has code of its own.
  template <int kSlice = 0>
  KNL_DEVICE void AddValues(int slice, const uint8_t* values, const float* weights, int columns,
                            int lines) {
    if (slice == kSlice) return AddSlice<kSlice>(values, weights, columns, lines);
    if constexpr (kSlice + 1 < kMostSlices) {
      AddValues<kSlice + 1>(slice, values, weights, columns, lines);
    }
  }

  template <int kSlice>
  KNL_DEVICE void AddSlice(const uint8_t* values, const float* weights, int columns, int lines) {
    constexpr int kAtOnce = kLines == 1 ? 8 : 4;
#pragma unroll 1
    for (int j = 0; j < columns; j += kAtOnce) {
      float x[kAtOnce][kEach];
      KNL_UNROLL
      for (int n = 0; n < kAtOnce; ++n) {
        const uint8_t* value = values + (j + n) * kSliceStride + Lane() * 4;
        Unpack<E>(*reinterpret_cast<const uint32_t*>(value), x[n]);
      }
      ForLines(lines, [&](int i) {
        const Chunk* four = reinterpret_cast<const Chunk*>(weights + i * kTileColumns + j);
        KNL_UNROLL
        for (int n = 0; n < kAtOnce; ++n) {
          const float weight = FromBits(four[n / 4].words[n % 4]);
          KNL_UNROLL
          for (int e = 0; e < kEach; ++e) {
            // What a line does not see does not reach it, whatever is there.
            if (!kMixed || weight != 0.0f) out[i][kSlice * kEach + e] += weight * x[n][e];
          }
        }
      });
    }
  }

  // To where other warps read it: to [lines][width], tops and sums [kLines].
  KNL_DEVICE void Store(int lines, int width, float* to, float* tops, float* sums) {
    ForLines(lines, [&](int i) {
      KNL_UNROLL
      for (int mask = 16; mask > 0; mask /= 2) sum[i] += ShuffleXor(sum[i], mask);
      if (i < lines) {
        tops[i] = top[i];
        sums[i] = sum[i];
        KNL_UNROLL
        for (int slot = 0; slot < kSlots; ++slot) {
          const int d = slot / kEach * kElements + Lane() * kEach + slot % kEach;
          if (d < width) to[i * width + d] = out[i][slot];
        }
      }
    });
  }
};

// ---- The kernels ----

KNL_HOST_DEVICE int PaddedWidth(const CachedAttention& a) {
  return static_cast<int>((a.width + 7) / 8 * 8);
}

// Shared memory: queries, lines, and for each warp its stream and its weights.
template <int kLines>
struct CachedShape {
  static constexpr int kWeightBytes = kLines * kTileColumns * sizeof(float);
  static constexpr int kWarpBytes = kStreamBytes + kWeightBytes;
  static_assert(kLines * kMaxWidth * sizeof(float) <= kStreamBytes, "a warp's sums fit");
  static_assert(2 * kLines <= kLines * kTileColumns, "and its tops");

  static KNL_HOST_DEVICE int QueryBytes(const CachedAttention& a) {
    return kLines * PaddedWidth(a) * static_cast<int>(sizeof(float));
  }
  static int Bytes(const CachedAttention& a, int warps) {
    return QueryBytes(a) + kLines * static_cast<int>(sizeof(CachedLine)) + warps * kWarpBytes;
  }
};

template <class E, int kLines, bool kMixed>
KNL_KERNEL(32 * kMostWarps, kBlocksAtOnce) CachedAttendKernel(const CachedCall call) {
  using Shape = CachedShape<kLines>;
  using Softmax = CachedSoftmax<E, kLines, kMixed>;
  const CachedAttention& a = call.a;
  const CachedBlock block(call, kLines);
  const int width = static_cast<int>(a.width), stride = PaddedWidth(a), lines = block.lines;
  const int threads = 32 * call.warps, slices = UpDivide(width, Softmax::kElements);

  float* const q = reinterpret_cast<float*>(Shared());
  CachedLine* const of = reinterpret_cast<CachedLine*>(Shared() + Shape::QueryBytes(a));
  uint8_t* const warps = reinterpret_cast<uint8_t*>(of + kLines);
  const auto weights_of = [&](int warp) {
    return reinterpret_cast<float*>(warps + warp * Shape::kWarpBytes + kStreamBytes);
  };
  const int warp = Thread() / 32, step = call.warps * kTileColumns;
  float* const weights = weights_of(warp);
  uint8_t* const memory = warps + warp * Shape::kWarpBytes;
  CacheStream<E> stream(a, call.cache, call.chunks, block.row, block.kv_head,
                        block.begin + warp * kTileColumns, step, block.end, memory);

#pragma unroll 1
  for (int n = Thread(); n < kLines * stride; n += threads) {
    const int i = n / stride, d = n % stride;
    const bool is_there = i < lines && d < width;
    q[n] = is_there ? a.scale * ReadElement(a.element, call.q, block.HeadOf(a, i) * width + d)
                    : 0.0f;
  }
  if (Thread() < kLines) of[Thread()] = block.Line(a, Thread());
  SyncBlock();

  Softmax softmax;
  for (int first = block.begin + warp * kTileColumns; first < block.end; first += step) {
    float scores[kLines] = {};
    const int columns = Smaller(kTileColumns, block.end - first);
#pragma unroll 1
    for (int part = 0; part < 2 * slices; ++part) {
      const uint8_t* here = stream.Next();
      if (part < slices) {
        const int d = part * Softmax::kElements;
        Softmax::AddProducts(here, q + d, stride, Smaller(Softmax::kElements, width - d), lines,
                             scores);
        if (part + 1 < slices) continue;
        softmax.AddScores(a, of, lines, first + Lane(), scores, weights);
        SyncWarp();
      } else {
        softmax.AddValues(part - slices, here, weights, columns, lines);
      }
    }
  }
  SyncWarp();  // all have read the last values, which make room
  softmax.Store(lines, width, reinterpret_cast<float*>(memory), weights, weights + kLines);
  SyncBlock();

#pragma unroll 1
  for (int n = Thread(); n < lines * width; n += threads) {
    const int i = n / width, d = n % width;
    float top = -INFINITY, sum = 0.0f, out = 0.0f;
#pragma unroll 1
    for (int w = 0; w < call.warps; ++w) top = fmaxf(top, weights_of(w)[i]);
#pragma unroll 1
    for (int w = 0; w < call.warps; ++w) {
      // Not of the top, which is that of nothing seen where all scores are NaN.
      if (weights_of(w)[kLines + i] == 0.0f) continue;
      const float factor = Exp2(weights_of(w)[i] - top);
      sum += factor * weights_of(w)[kLines + i];
      out += factor * reinterpret_cast<const float*>(warps + w * Shape::kWarpBytes)[n];
    }
    const int64_t head = block.HeadOf(a, i);
    if (call.partial == nullptr) {
      WriteElement(a.element, sum == 0.0f ? 0.0f : out / sum, call.out, head * width + d);
      continue;
    }
    float* to = call.partial + (head * call.shares + block.share) * (width + 2);
    to[d] = out;
    if (d == 0) to[width] = sum, to[width + 1] = top;
  }
}

// A block for each query's head, a thread for each element.
KNL_KERNEL(kMaxWidth, 1) CachedMergeKernel(const CachedCall call) {
  const int width = static_cast<int>(call.a.width), d = Thread(), stride = width + 2;
  if (d >= width) return;
  const int64_t head = BlockIndex().x;
  const float* first = call.partial + head * call.shares * stride;
  float top = -INFINITY, sum = 0.0f, out = 0.0f;
#pragma unroll 4
  for (int s = 0; s < call.shares; ++s) top = fmaxf(top, first[s * stride + width + 1]);
#pragma unroll 4
  for (int s = 0; s < call.shares; ++s) {
    const float* share = first + s * stride;
    const float factor = share[width] == 0.0f ? 0.0f : Exp2(share[width + 1] - top);
    sum += factor * share[width];
    out += factor * share[d];
  }
  WriteElement(call.a.element, sum == 0.0f ? 0.0f : out / sum, call.out, head * width + d);
}

// ---- Launching ----

// Shares of the columns, where one of each makes `blocks` blocks.
inline int SharesOf(const CachedAttention& a, int64_t blocks, const Gpu& gpu) {
  constexpr int64_t kLeast = kMostWarps * kTileColumns, kMany = 8 * kLeast;
  int64_t columns = a.index + a.queries;  // that a block sees, at most
  const int64_t tokens = std::min<int64_t>(a.queries, kMostLines);
  if (a.window >= 0) columns = std::min(columns, std::min(a.window, columns) + tokens);
  const int64_t slots = int64_t{kBlocksAtOnce} * gpu.multiprocessors;
  // Every multiprocessor is to have work; and if the work is long, in pieces so small that
  // none has much more of it than others.
  const int64_t busy = std::min(slots / blocks, (columns + kLeast - 1) / kLeast);
  const int64_t even = std::min((4 * slots + blocks - 1) / blocks, columns / kMany);
  return static_cast<int>(std::max({int64_t{1}, busy, even}));
}

template <class E, int kLines, bool kMixed>
const char* LaunchCachedAttend(CachedCall call, int64_t blocks, const Gpu& gpu,
                               CUstream_st* stream) {
  using Shape = CachedShape<kLines>;
  call.warps = kMostWarps;
  while (call.warps > 1 && Shape::Bytes(call.a, call.warps) > gpu.shared_bytes) call.warps /= 2;
  const LaunchOn on = {{static_cast<unsigned>(blocks), 1, 1}, 32 * call.warps,
                       static_cast<size_t>(Shape::Bytes(call.a, call.warps)), stream};
  return Launch(CachedAttendKernel<E, kLines, kMixed>, on, call);
}

template <class E>
const char* LaunchCachedAttend(const CachedCall& call, int lines, int64_t blocks, const Gpu& gpu,
                               CUstream_st* stream) {
  if (lines == 1) return LaunchCachedAttend<E, 1, false>(call, blocks, gpu, stream);
  if (call.a.queries > 1) return LaunchCachedAttend<E, kMostLines, true>(call, blocks, gpu, stream);
  return LaunchCachedAttend<E, kMostLines, false>(call, blocks, gpu, stream);
}

// What CudaCachedAttentionForward promises.
inline Problem CachedAttentionOnCuda(const CachedAttention& a, const void* q, const void* k,
                                     const void* v, void* cache, void* out, CudaDevice& device) {
  if (Problem problem = CheckCachedAttention(a)) return problem;
  if (a.rows * a.queries == 0) return nullptr;
  const Gpu gpu;
  if (Problem problem = CheckGpu(gpu)) return problem;

  // A block's columns, and blocks, are counted in 32 bits.
  constexpr int64_t kLongest = int64_t{1} << 29;
  const int64_t all_lines = a.queries * (a.heads / a.kv_heads);
  const int lines = all_lines == 1 ? 1 : kMostLines;
  CachedCall call = {a, q, k, v, cache, out, nullptr, 1, (all_lines + lines - 1) / lines, 1,
                     false};
  const int64_t pieces = a.rows * a.kv_heads * call.turns;
  call.shares = SharesOf(a, pieces, gpu);
  const int64_t heads = a.rows * a.queries * a.heads, blocks = pieces * call.shares;
  const int64_t writes = (2 * a.rows * UnitsOf(a) + kWriteThreads - 1) / kWriteThreads;
  if (a.columns > kLongest || std::max({heads, blocks, writes}) > INT32_MAX) {
    return Say("On a GPU a cache may have %lld columns, and there may be %lld queries of all "
               "heads and rows. Received: columns=%lld, rows=%lld, queries=%lld, heads=%lld.",
               (long long)kLongest, (long long)INT32_MAX, (long long)a.columns,
               (long long)a.rows, (long long)a.queries, (long long)a.heads);
  }
  const int64_t element_bytes = a.cache_element == Element::kFloat32 ? 4 : 2;
  call.chunks = a.width * element_bytes % 16 == 0 && reinterpret_cast<uintptr_t>(cache) % 16 == 0;
  if (call.shares > 1) {
    const size_t bytes = heads * call.shares * (a.width + 2) * sizeof(float);
    call.partial = static_cast<float*>(device.Scratch(bytes));
    if (call.partial == nullptr) {
      return Say("There was no memory on the GPU for sums: %lld bytes.", (long long)bytes);
    }
  }

  CUstream_st* const stream = device.stream();
  const LaunchOn write = {{static_cast<unsigned>(writes), 1, 1}, kWriteThreads, 0, stream};
  const char* error = Launch(CachedWriteKernel, write, call);
  if (error == nullptr && a.cache_element == Element::kFloat32) {
    error = LaunchCachedAttend<Float32>(call, lines, blocks, gpu, stream);
  } else if (error == nullptr && a.cache_element == Element::kBFloat16) {
    error = LaunchCachedAttend<BFloat16>(call, lines, blocks, gpu, stream);
  } else if (error == nullptr) {
    error = LaunchCachedAttend<Float16>(call, lines, blocks, gpu, stream);
  }
  if (error == nullptr && call.shares > 1) {
    const int threads = static_cast<int>((a.width + 31) / 32 * 32);
    const LaunchOn merge = {{static_cast<unsigned>(heads), 1, 1}, threads, 0, stream};
    error = Launch(CachedMergeKernel, merge, call);
  }
  if (error == nullptr) return nullptr;
  return Say("CUDA could not compute attention to a cache: %s.", error);
}

}  // namespace cuda
}  // namespace knl
