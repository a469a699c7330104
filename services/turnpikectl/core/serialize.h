// Values for programs: JSON and YAML. Times are [RFC3339 5.6] texts in UTC, ids texts of digits;
// octets that are no UTF-8 become U+FFFD; control characters are escaped.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_SERIALIZE_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_SERIALIZE_H_

#include <string>

#include "services/turnpikectl/core/value.h"

namespace turnpike::ctl {

// On one line, without a line end.
std::string ToJsonLine(const Value& value);
// Indented by two blanks, with a line end.
std::string ToJson(const Value& value);
// Block style, with a line end. Texts that a YAML reader could take for something else are in
// quotation marks.
std::string ToYaml(const Value& value);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_SERIALIZE_H_
