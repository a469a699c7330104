#include "services/common/config/problems.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace turnpike::config {
namespace {

constexpr size_t kErrorsShownMax = 100;

std::string WithPath(absl::string_view path, absl::string_view text) {
  return path.empty() ? std::string(text) : absl::StrCat(path, ": ", text);
}

}  // namespace

void Problems::AddError(Place place, absl::string_view path, absl::string_view text) {
  errors_.push_back({place, WithPath(path, text)});
}

void Problems::AddWarning(Place place, absl::string_view path, absl::string_view text) {
  warnings_.push_back({place, WithPath(path, text)});
}

std::string Problems::Describe(Place place) const {
  return absl::StrCat(name_, ":", place.line, ":", place.column);
}

absl::Status Problems::ToStatus() const {
  if (errors_.empty()) return absl::OkStatus();
  std::vector<std::string> lines = Lines(errors_);
  if (lines.size() > kErrorsShownMax) {
    const size_t left = lines.size() - kErrorsShownMax;
    lines.resize(kErrorsShownMax);
    lines.push_back(absl::StrCat(name_, ": and ", left, " more errors"));
  }
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

std::vector<std::string> Problems::Lines(std::vector<Problem> problems) const {
  std::stable_sort(problems.begin(), problems.end(),
                   [](const Problem& a, const Problem& b) { return a.place < b.place; });
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    lines.push_back(absl::StrCat(Describe(problem.place), ": ", problem.text));
  }
  return lines;
}

}  // namespace turnpike::config
