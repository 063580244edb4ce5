#include "tf/rows.h"

namespace knl {
namespace {

std::string Shape(const std::vector<int64_t>& sizes) {
  std::string text;
  for (int64_t size : sizes) {
    text += (text.empty() ? "" : ", ") + (size < 0 ? "?" : std::to_string(size));
  }
  return "[" + text + "]";
}

bool Fits(const std::vector<int64_t>& sizes, const std::vector<int64_t>& wanted) {
  if (sizes.size() != wanted.size()) return false;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != wanted[i] && sizes[i] >= 0 && wanted[i] >= 0) return false;
  }
  return true;
}

}  // namespace

Rows::Rows(const char* name, const Array& rows) : first_(rows) {
  if (first_.ranked && (first_.sizes.empty() || first_.sizes.back() == 0)) {
    wrong_ = std::string("`") + name + "` must have features, at least 1. Received: shape " +
             Shape(first_.sizes) + ".";
  }
}

void Rows::Check(const char* name, const Array& array, const std::vector<int64_t>& wanted) {
  if (!wrong_.empty() || !array.ranked || Fits(array.sizes, wanted)) return;
  wrong_ = std::string("`") + name + "` must have shape " + Shape(wanted) +
           ". Received: " + Shape(array.sizes) + ".";
}

void Rows::SameShape(const char* name, const Array& array) {
  if (first_.ranked) Check(name, array, first_.sizes);
}

void Rows::PerFeature(const char* name, const Array& array) {
  if (wrong_.empty()) Check(name, array, {first_.ranked ? first_.sizes.back() : -1});
}

void Rows::PerRow(const char* name, const Array& array) {
  if (!wrong_.empty() || !first_.ranked) return;
  Check(name, array, {first_.sizes.begin(), first_.sizes.end() - 1});
}

void Rows::Seed(const Array& array) { Check("seed", array, {2}); }

int64_t Rows::rows() const {
  if (!first_.ranked) return 0;
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < first_.sizes.size(); ++i) {
    rows *= first_.sizes[i] < 0 ? 0 : first_.sizes[i];
  }
  return rows;
}

int64_t Rows::width() const {
  return first_.ranked && first_.sizes.back() > 0 ? first_.sizes.back() : 1;
}

}  // namespace knl
