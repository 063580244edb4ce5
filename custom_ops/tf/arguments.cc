#include "tf/arguments.h"

#include "tf/axes.h"

namespace knl {
namespace {

std::string CheckCount(const char* name, int64_t count, int64_t most) {
  if (count == 0 || count == most) return "";
  return std::string("`") + name + "` must hold none or " + std::to_string(most) +
         " tensors. Received: " + std::to_string(count) + ".";
}

std::string CheckCounts(const Options& o) {
  const std::string wrong = First({
      CheckCount("splits", o.n_splits, 2),
      CheckCount("keep", o.n_keep, 1),
      CheckCount("segments", o.n_segments, 2),
      CheckCount("bias", o.n_bias, 1),
      CheckCount("slopes", o.n_slopes, 1),
      CheckCount("seed", o.n_seed, 1),
  });
  if (!wrong.empty()) return wrong;
  if (o.n_splits > 0 && o.n_keep + o.n_segments + o.n_bias > 0) {
    return "Packed rows have no padding, segments or bias. Received: `splits` with one of "
           "them.";
  }
  if (o.dropout > 0.0f && o.n_seed == 0) {
    return "`dropout` needs a `seed`. Received: dropout=" + std::to_string(o.dropout) +
           " and no seed.";
  }
  return "";
}

void PointTo(const std::vector<Array>& inputs, const Options& o, Attention* attention) {
  Attention& a = *attention;
  const Places at(o);
  const auto data = [&](int64_t i) { return inputs[i].data; };
  if (o.n_splits) {
    a.query_splits = static_cast<const int64_t*>(data(at.splits));
    a.key_splits = static_cast<const int64_t*>(data(at.splits + 1));
  }
  if (o.n_keep) a.keep = static_cast<const uint8_t*>(data(at.keep));
  if (o.n_segments) {
    a.query_segments = static_cast<const int32_t*>(data(at.segments));
    a.key_segments = static_cast<const int32_t*>(data(at.segments + 1));
  }
  if (o.n_bias) a.bias = static_cast<const float*>(data(at.bias));
  if (o.n_slopes) a.slopes = static_cast<const float*>(data(at.slopes));
}

}  // namespace

Places::Places(const Options& o)
    : splits(3),
      keep(splits + o.n_splits),
      segments(keep + o.n_keep),
      bias(segments + o.n_segments),
      slopes(bias + o.n_bias),
      seed(slopes + o.n_slopes),
      gradient(seed + o.n_seed) {}

std::string ReadArguments(const Options& o, const std::vector<Array>& inputs,
                          Attention* attention) {
  std::string wrong = CheckCounts(o);
  if (!wrong.empty()) return wrong;

  Size batch{"batch"}, queries{"queries"}, keys{"keys"}, heads{"heads"}, kv_heads{"kv_heads"},
      width{"width"}, two{nullptr, 2}, ends{"batch + 1"};
  const Places at(o);
  const bool packed = o.n_splits > 0;
  const auto check_queries = [&](const char* name, int64_t i) {
    return packed ? CheckShape(name, inputs[i], {queries, heads, width})
                  : CheckShape(name, inputs[i], {batch, queries, heads, width});
  };
  const auto check_keys = [&](const char* name, int64_t i) {
    return packed ? CheckShape(name, inputs[i], {keys, kv_heads, width})
                  : CheckShape(name, inputs[i], {batch, keys, kv_heads, width});
  };
  const auto check_lse = [&](const char* name, int64_t i) {
    return packed ? CheckShape(name, inputs[i], {queries, heads})
                  : CheckShape(name, inputs[i], {batch, queries, heads});
  };
  wrong = First({check_queries("q", 0), check_keys("k", 1), check_keys("v", 2)});
  if (wrong.empty() && packed) {
    wrong = First({CheckShape("query_splits", inputs[at.splits], {ends}),
                   CheckShape("key_splits", inputs[at.splits + 1], {ends})});
    if (wrong.empty() && ends.value == 0) {
      wrong = "Splits must begin with 0. Received: none at all.";
    }
    batch.value = ends.value - (ends.value > 0);
  }
  if (wrong.empty() && o.n_keep) wrong = CheckShape("padding_mask", inputs[at.keep], {batch, keys});
  if (wrong.empty() && o.n_segments) {
    wrong = First({CheckShape("query_segments", inputs[at.segments], {batch, queries}),
                   CheckShape("key_segments", inputs[at.segments + 1], {batch, keys})});
  }
  if (wrong.empty() && o.n_bias) {
    wrong = CheckShape("bias", inputs[at.bias],
                       {Axis(batch, true), Axis(heads, true), queries, keys});
  }
  if (wrong.empty() && o.n_slopes) wrong = CheckShape("slopes", inputs[at.slopes], {heads});
  if (wrong.empty() && o.n_seed) wrong = CheckShape("seed", inputs[at.seed], {two});
  if (wrong.empty() && static_cast<int64_t>(inputs.size()) > at.gradient) {
    wrong = First({check_queries("out", at.gradient), check_lse("lse", at.gradient + 1),
                   check_queries("dout", at.gradient + 2), check_lse("dlse", at.gradient + 3)});
  }
  if (!wrong.empty()) return wrong;

  // What is not known yet gets a size that no check refuses.
  const auto known = [](const Size& size, int64_t otherwise) {
    return size.value < 0 ? otherwise : size.value;
  };
  Attention& a = *attention;
  a.batch = known(batch, 0);
  a.queries = known(queries, 0);
  a.keys = known(keys, 0);
  a.heads = known(heads, known(kv_heads, 1));
  a.kv_heads = known(kv_heads, 1);
  a.width = known(width, 1);
  if (heads.value < 0) a.kv_heads = a.heads;
  a.scale = o.scale;
  a.soft_cap = o.soft_cap;
  a.dropout = o.dropout;
  a.window_left = o.window_left;
  a.window_right = o.window_right;

  if (o.n_bias && inputs[at.bias].ranked) {
    a.bias_batch = inputs[at.bias].sizes[0];
    a.bias_heads = inputs[at.bias].sizes[1];
  }
  PointTo(inputs, o, attention);
  if (o.n_seed && inputs[at.seed].data != nullptr) {
    const uint32_t* seed = static_cast<const uint32_t*>(inputs[at.seed].data);
    a.seed[0] = seed[0], a.seed[1] = seed[1];
  }
  const Problem problem = CheckAttention(a);
  return problem == nullptr ? "" : problem;
}

std::string ReadDeviceArguments(const Options& o, const std::vector<Array>& inputs,
                                Attention* attention, const uint32_t** seed) {
  // As while a graph is built: sizes are known, and what the arrays hold is not.
  std::vector<Array> shapes = inputs;
  for (Array& array : shapes) array.data = nullptr;
  const std::string wrong = ReadArguments(o, shapes, attention);
  if (!wrong.empty()) return wrong;
  PointTo(inputs, o, attention);
  *seed = o.n_seed ? static_cast<const uint32_t*>(inputs[Places(o).seed].data) : nullptr;
  return "";
}

}  // namespace knl
