// "Did you mean …" for keys that nobody knows.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_SUGGESTION_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_SUGGESTION_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace turnpike::config {

// Least number of octets to insert, delete, replace or swap with a neighbour to make `b` of `a`.
size_t EditDistance(absl::string_view a, absl::string_view b);

// `unknown key; did you mean `port`?`, or without a near one, the list of the known keys.
std::string UnknownKeyText(absl::string_view key, const std::vector<std::string>& known);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_SUGGESTION_H_
