// The code of one instruction set, for every element type. See lanes.h for what a unit is.
#pragma once

#include "backward.h"
#include "forward.h"

namespace knl {
namespace KNL_UNIT {
namespace {

template <class Format>
constexpr Unit MakeUnit(const char* name) {
  return {name,
          ForwardBytes<Format>,
          Forward<Format>,
          BackwardBytes<Format>,
          Backward<Format>,
          SumParts<typename Format::Element>};
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
