// Copies of q, k, v and dout in the order in which products read them, as words (see
// product.h), with zeros where a row, a vector or a pair is not full.
#pragma once

#include "product.h"
#include "tokens.h"

namespace knl {
namespace KNL_UNIT {
namespace {

constexpr int64_t kPanel = 64;  // keys that are packed, and met by queries, together

// Transposes rows of words, kLanes by kLanes: out[word][kPanel], token by token. `Row` gives
// the vector of words from `word` on of a token.
template <class E, class Row>
KNL_INLINE void TransposePanel(Tokens<E> from, int64_t words, const Row& row, float* out) {
  const int64_t count = from.count;
  for (int64_t token = 0; token < count; token += kLanes) {
    for (int64_t i = 0; i < kLanes; ++i) from.Prefetch(token + kAhead + i);
    for (int64_t word = 0; word < words; word += kLanes) {
      Vec square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        square[i] = token + i < count ? row(token + i, word) : Vec{};
      }
      Transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) Store(out + (word + i) * kPanel + token, square[i]);
    }
  }
}

// One float a word. Any type is read; sums are exact products of floats.
template <class E>
struct FloatFormat {
  using Element = E;
  using Words = FloatWords;
  static constexpr int kPair = 1;
  static constexpr bool kFoldsScale = true;

  // Words along the width, and the room for them in a row or a panel.
  static KNL_INLINE int64_t WidthWords(int64_t width) { return width; }
  static KNL_INLINE int64_t RowWords(int64_t width) { return RoundUp(width, kLanes); }
  static KNL_INLINE int64_t PanelWords(int64_t width) { return RoundUp(width, kLanes); }

  // out [rows][RowWords]: a left factor that is summed along the width. Rows behind the
  // last token are zero.
  static KNL_INLINE void Rows(Tokens<E> from, int64_t rows, float factor, float* out) {
    const int64_t row_words = RowWords(from.width);
    for (int64_t i = 0; i < rows; ++i) {
      from.Prefetch(i + kAhead);
      for (int64_t d = 0; d < row_words; d += kLanes) {
        const Vec v = i < from.count ? ReadPart<E>(from.data + i * from.stride + d,
                                                   from.width - d)
                                     : Vec{};
        Store(out + i * row_words + d, v * Splat(factor));
      }
    }
  }

  // out [PanelWords][kPanel]: a right factor that is summed along the width.
  static void Across(Tokens<E> from, float* out) {
    TransposePanel(
        from, from.width,
        [&](int64_t token, int64_t word) KNL_LAMBDA_INLINE {
          return ReadPart<E>(from.data + token * from.stride + word, from.width - word);
        },
        out);
  }

  // out [rows / kPair][RoundUp(width)]: a right factor that is summed along the tokens.
  static void Along(Tokens<E> from, int64_t rows, float* out) {
    Rows(from, rows, 1.0f, out);
  }

  // kLanes floats of a row of a panel as a left factor that is summed along the keys, from
  // key `key` of the panel on.
  static KNL_INLINE void StoreAlongKeys(Vec row, int64_t key, float* out) {
    Store(out + key, row);
  }
};

#if defined(__AVX512BF16__)
// Two bfloat16 a word, as they come: products of pairs are summed in float at once.
struct PairFormat {
  using Element = BFloat16;
  using Words = BFloat16Words;
  static constexpr int kPair = 2;
  static constexpr bool kFoldsScale = false;  // another rounding to bfloat16 would

  static KNL_INLINE int64_t WidthWords(int64_t width) { return (width + 1) / 2; }
  static KNL_INLINE int64_t RowWords(int64_t width) { return RoundUp(width, kLanes) / 2; }
  static KNL_INLINE int64_t PanelWords(int64_t width) {
    return RoundUp(WidthWords(width), kLanes);
  }

  static KNL_INLINE Vec ReadWords(Tokens<BFloat16> from, int64_t token, int64_t word) {
    const uint16_t* p = from.data + token * from.stride + word * 2;
    const int64_t count = from.width - word * 2;
    if (count >= 2 * kLanes) return *(const MemoryPairs*)p;
    uint16_t part[2 * kLanes] = {};
    if (count > 0) memcpy(part, p, count * sizeof(part[0]));
    return *(const MemoryPairs*)part;
  }

  static KNL_INLINE void Rows(Tokens<BFloat16> from, int64_t rows, float, float* out) {
    const int64_t bytes = RowWords(from.width) * sizeof(float);
    for (int64_t i = 0; i < rows; ++i) {
      from.Prefetch(i + kAhead);
      char* row = (char*)out + i * bytes;
      const size_t full = i < from.count ? from.width * sizeof(uint16_t) : 0;
      if (full > 0) memcpy(row, from.data + i * from.stride, full);
      memset(row + full, 0, bytes - full);
    }
  }

  static void Across(Tokens<BFloat16> from, float* out) {
    TransposePanel(
        from, WidthWords(from.width),
        [&](int64_t token, int64_t word) KNL_LAMBDA_INLINE {
          return ReadWords(from, token, word);
        },
        out);
  }

  static void Along(Tokens<BFloat16> from, int64_t rows, float* out) {
    const int64_t room = RoundUp(from.width, kLanes);
    for (int64_t i = 0; i < rows; i += 2) {
      from.Prefetch(i + kAhead);
      from.Prefetch(i + kAhead + 1);
      for (int64_t d = 0; d < room; d += kLanes) {
        Bits pair[2] = {};
        for (int one = 0; one < 2; ++one) {
          if (i + one >= from.count) continue;
          const uint16_t* p = from.data + (i + one) * from.stride + d;
          pair[one] = (Bits)ReadPart<BFloat16>(p, from.width - d);
        }
        Store(out + i / 2 * room + d, (Vec)(pair[0] >> 16 | pair[1]));
      }
    }
  }

  static KNL_INLINE void StorePairAlongQueries(const float* rows, float* out) {
#pragma GCC unroll 4
    for (int n = 0; n < kPanel; n += kLanes) {
      const __m256i low = (__m256i)_mm512_cvtneps_pbh((__m512)Load(rows + n));
      const __m256i high = (__m256i)_mm512_cvtneps_pbh((__m512)Load(rows + kPanel + n));
      const __m512i pair = _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                           _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
      Store(out + n, (Vec)pair);
    }
  }

  static KNL_INLINE void StoreAlongKeys(Vec row, int64_t key, float* out) {
    _mm256_storeu_si256((__m256i*)(out + key / 2),
                        (__m256i)_mm512_cvtneps_pbh((__m512)row));
  }
};
#endif

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
