// Text as JSON, from any octets.
#ifndef TURNPIKE_SERVICES_COMMON_OBSERVE_JSON_H_
#define TURNPIKE_SERVICES_COMMON_OBSERVE_JSON_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::observe {

// Appends `text` as a JSON string with its quotation marks. Control characters, including DEL and
// C1, are escaped; octets that are no UTF-8 become U+FFFD. Text longer than `bytes_max` octets is
// cut between characters and ends with U+2026.
void AppendJsonString(absl::string_view text, size_t bytes_max, std::string& out);

}  // namespace turnpike::observe

#endif  // TURNPIKE_SERVICES_COMMON_OBSERVE_JSON_H_
