// GELU of a vector, and its slope.
#pragma once

#include "lanes.h"

namespace knl {
namespace KNL_UNIT {
namespace {

struct Gelu {
  Vec value;
  Vec slope;
};

KNL_INLINE Vec SizeOf(Vec x) { return (Vec)((Bits)x & 0x7fffffff); }

// Of x = -size, the share of the normal distribution below it, relative error under 5e-7 (but
// for sizes above 5, where size^2 / 2 in float is known to fewer digits), and the
// distribution's density there times sqrt(2 pi).
//
// The share is exp(-size^2 / 2) R(size), and R is a polynomial of u = 1 / (1 + p size): the
// form of Hastings in Abramowitz & Stegun, "Handbook of Mathematical Functions", 26.2.17,
// with p and a degree that float needs, fitted to a relative error of 3.2e-8 on [0, 14].
struct Tail {
  Vec share;
  Vec density;
};

KNL_INLINE Tail TailAt(Vec size) {
  const Vec u = Splat(1.0f) / (Splat(1.0f) + Splat(0.35f) * size);
  Vec r = Splat(-0x1.dd86dcp-6f);
  r = r * u + Splat(0x1.26da9ep-3f);
  r = r * u + Splat(-0x1.05d9f0p-2f);
  r = r * u + Splat(0x1.45fd10p-3f);
  r = r * u + Splat(-0x1.7aa174p-6f);
  r = r * u + Splat(0x1.b02924p-4f);
  r = r * u + Splat(0x1.ead5e0p-4f);
  r = r * u + Splat(0x1.1e6fe6p-3f);
  r = r * u + Splat(0x1.1df1d4p-3f);
  const Vec density = Exp2(size * size * Splat(-0.72134752f));  // log2(e) / 2
  return {density * (r * u), density};
}

// Beyond it, all that vanishes has vanished, and no square is infinite.
constexpr float kFar = 64.0f;

KNL_INLINE Gelu ExactGelu(Vec x) {
  const Vec size = MinOf(Splat(kFar), SizeOf(x));
  const Tail tail = TailAt(size);
  const Vec below = x > Splat(0.0f) ? Splat(1.0f) - tail.share : tail.share;
  return {MaxOf(Splat(0.0f), x) - size * tail.share,
          below + x * Splat(0.39894228f) * tail.density};  // 1 / sqrt(2 pi)
}

// x / 2 (1 + tanh(z / 2)) = x / (1 + exp(-z)), z = 2 sqrt(2 / pi) (x + 0.044715 x^3).
KNL_INLINE Gelu TanhGelu(Vec x) {
  const Vec scale = Splat(1.5957691f), cube = Splat(0.044715f);
  const Vec size = MinOf(Splat(kFar), SizeOf(x)), square = size * size;
  const Vec z = size * (scale + scale * cube * square);
  const Vec e = Exp2(z * Splat(-1.4426950f));
  const Vec part = Splat(1.0f) / (Splat(1.0f) + e), share = e * part;  // below -size
  const Vec dz = scale + Splat(3.0f) * scale * cube * square;
  const Vec below = x > Splat(0.0f) ? part : share;
  return {MaxOf(Splat(0.0f), x) - size * share, below + x * (share * part) * dz};
}

template <bool kApproximate>
KNL_INLINE Gelu GeluAt(Vec x) {
  return kApproximate ? TanhGelu(x) : ExactGelu(x);
}

}  // namespace
}  // namespace KNL_UNIT
}  // namespace knl
