#include "tf/add_norm_arguments.h"

#include <utility>

namespace knl {

std::string ReadAddNorm(const AddNormOptions& o, const std::vector<Array>& inputs,
                        bool gradient, AddNorm* norm) {
  const std::pair<const char*, int> counts[] = {{"residual", o.n_residual}, {"dsum", o.n_dsum},
                                                {"bias", o.n_bias}, {"beta", o.n_beta},
                                                {"seed", o.n_seed}};
  for (const auto& [name, count] : counts) {
    if (count > 1) {
      return std::string("`") + name +
             "` must hold none or 1 tensor. Received: " + std::to_string(count) + ".";
    }
  }
  if (o.dropout > 0.0f && o.n_seed == 0) {
    return "`dropout` needs a `seed`. Received: dropout=" + std::to_string(o.dropout) +
           " and no seed.";
  }
  Rows rows(gradient ? "dy" : "x", inputs[0]);
  int seed;
  if (gradient) {
    const AddNormGradientPlaces at(o);
    if (o.n_dsum > 0) rows.SameShape("dsum", inputs[at.dsum]);
    rows.SameShape("sum", inputs[at.sum]);
    rows.PerRow("mean", inputs[at.mean]);
    rows.PerRow("rstd", inputs[at.rstd]);
    rows.PerFeature("gamma", inputs[at.gamma]);
    seed = at.seed;
  } else {
    const AddNormPlaces at(o);
    if (o.n_residual > 0) rows.SameShape("residual", inputs[at.residual]);
    if (o.n_bias > 0) rows.PerFeature("bias", inputs[at.bias]);
    rows.PerFeature("gamma", inputs[at.gamma]);
    if (o.n_beta > 0) rows.PerFeature("beta", inputs[at.beta]);
    seed = at.seed;
  }
  if (o.n_seed > 0) rows.Seed(inputs[seed]);
  if (!rows.wrong().empty()) return rows.wrong();

  norm->rows = rows.rows();
  norm->width = rows.width();
  norm->epsilon = o.epsilon;
  norm->dropout = o.dropout;
  if (o.n_seed > 0 && inputs[seed].data != nullptr) {
    const uint32_t* words = static_cast<const uint32_t*>(inputs[seed].data);
    norm->seed[0] = words[0], norm->seed[1] = words[1];
  }
  const Problem problem = CheckAddNorm(*norm);
  return problem == nullptr ? "" : problem;
}

}  // namespace knl
