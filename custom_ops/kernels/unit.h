// The code of one instruction set, for every element type. See lanes.h for what a unit is.
#pragma once

#include "add_norm_rows.h"
#include "backward.h"
#include "bias_gelu_rows.h"
#include "cached_attention_lanes.h"
#include "few_rows_lanes.h"
#include "forward.h"
#include "units.h"

namespace knl {
namespace KNL_UNIT {
namespace {

template <class Format>
constexpr Unit MakeUnit(const char* name) {
  using E = typename Format::Element;
  return {name,
          ForwardBytes<Format>,
          Forward<Format>,
          BackwardBytes<Format>,
          Backward<Format>,
          SumParts<E>,
          AddNormRows<E>,
          AddNormGradientRows<E>,
          BiasGeluRows<E>,
          BiasGeluGradientRows<E>,
          FewRowsWiden<E>,
          FewRowsColumns,
          FewRowsFinish<E>,
          FewRowsTable<E>,
          CachedWrite<E>,
          CachedAttend<E>,
          CachedMerge<E>};
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
