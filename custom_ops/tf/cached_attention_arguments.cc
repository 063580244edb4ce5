#include "tf/cached_attention_arguments.h"

#include "tf/axes.h"

namespace knl {

std::string ReadCachedAttention(const CachedAttentionOptions& o,
                                const std::vector<Array>& inputs, CachedAttention* attention) {
  if (o.n_starts > 1 || o.n_ancestors > 1 || o.n_slopes > 1) {
    return "`starts`, `ancestors` and `slopes` must hold none or 1 tensor. Received: " +
           std::to_string(o.n_starts) + ", " + std::to_string(o.n_ancestors) + " and " +
           std::to_string(o.n_slopes) + ".";
  }
  Size rows{"rows"}, queries{"new tokens"}, columns{"columns"}, heads{"heads"},
      kv_heads{"kv_heads"}, width{"width"}, two{nullptr, 2};
  using At = CachedAttentionPlaces;
  const At at(o);
  std::string wrong = First({
      CheckShape("q", inputs[At::q], {rows, queries, heads, width}),
      CheckShape("k", inputs[At::k], {rows, queries, kv_heads, width}),
      CheckShape("v", inputs[At::v], {rows, queries, kv_heads, width}),
      CheckShape("cache", inputs[At::cache], {rows, two, columns, kv_heads, width}),
      CheckShape("index", inputs[At::index], {}),
  });
  if (wrong.empty() && o.n_starts) wrong = CheckShape("starts", inputs[At::starts], {rows});
  if (wrong.empty() && o.n_ancestors) {
    wrong = CheckShape("ancestors", inputs[at.ancestors], {rows, columns});
  }
  if (wrong.empty() && o.n_slopes) wrong = CheckShape("slopes", inputs[at.slopes], {heads});
  if (!wrong.empty()) return wrong;

  const auto known = [](const Size& size, int64_t otherwise) {
    return size.value < 0 ? otherwise : size.value;
  };
  CachedAttention& a = *attention;
  const auto* index = static_cast<const int32_t*>(inputs[At::index].data);
  a.rows = known(rows, 0);
  a.queries = columns.value < 0 ? 0 : known(queries, 0);
  a.index = index == nullptr ? 0 : *index;
  a.columns = known(columns, a.index);
  a.heads = known(heads, known(kv_heads, 1));
  a.kv_heads = heads.value < 0 ? a.heads : known(kv_heads, 1);
  a.width = known(width, 1);
  a.beams = o.beams;
  a.scale = o.scale;
  a.soft_cap = o.soft_cap;
  a.window = o.window;
  if (o.n_starts) a.starts = static_cast<const int32_t*>(inputs[At::starts].data);
  if (o.n_ancestors) a.ancestors = static_cast<const int32_t*>(inputs[at.ancestors].data);
  if (o.n_slopes) a.slopes = static_cast<const float*>(inputs[at.slopes].data);
  const Problem problem = CheckCachedAttention(a);
  return problem == nullptr ? "" : problem;
}

}  // namespace knl
