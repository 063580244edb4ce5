// AVX-512 with products of pairs: of bfloat16, and of whole numbers of 16 bits.
#define KNL_UNIT avx512_bf16
#define KNL_LANES 16
#include "unit.h"

namespace knl {
namespace avx512_bf16 {
namespace {

// Weights of 8 bits meet rows of every type in whole numbers.
template <class E>
Unit WithPairsInFewRows(const Unit& unit) {
  Unit better = unit;
  better.few_rows_widen = FewRowsWiden<E>;
  better.few_rows_columns = FewRowsColumns;
  better.few_rows_finish = FewRowsFinish<E>;
  better.few_rows_table = FewRowsTable<E>;
  return better;
}

}  // namespace
}  // namespace avx512_bf16

Units Avx512BFloat16Units() {
  using namespace avx512_bf16;
  static constexpr Unit bfloat16 = MakeUnit<PairFormat>("avx512_bf16");
  static const Unit float32 = WithPairsInFewRows<Float32>(*Avx512Units().float32);
  static const Unit float16 = WithPairsInFewRows<Float16>(*Avx512Units().float16);
  return {&float32, &bfloat16, &float16};
}

}  // namespace knl
