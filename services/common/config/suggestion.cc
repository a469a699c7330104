#include "services/common/config/suggestion.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace turnpike::config {
namespace {

// Longer keys are no slips of the finger; keeps the cost of a bad document small.
constexpr size_t kKeyBytesMax = 64;

}  // namespace

size_t EditDistance(absl::string_view a, absl::string_view b) {
  // Three rows of the usual table: `current[j]` is the distance of a[0, i) and b[0, j).
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) current[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(current);
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
  }
  return current[b.size()];
}

std::string UnknownKeyText(absl::string_view key, const std::vector<std::string>& known) {
  if (!key.empty() && key.size() <= kKeyBytesMax) {
    const std::string lower = absl::AsciiStrToLower(key);
    const std::string* nearest = nullptr;
    // A third of the key may be wrong, but never all of it.
    size_t distance_max = std::min(key.size() - 1, std::max<size_t>(1, key.size() / 3));
    for (const std::string& candidate : known) {
      const size_t distance = EditDistance(lower, candidate);
      if (distance > distance_max || (nearest != nullptr && distance == distance_max)) continue;
      nearest = &candidate;
      distance_max = distance;
    }
    if (nearest != nullptr) return absl::StrCat("unknown key; did you mean `", *nearest, "`?");
  }
  return absl::StrCat("unknown key; the keys here are ", absl::StrJoin(known, ", "));
}

}  // namespace turnpike::config
