// The configuration reference for operators, made from the protos: their comments and rules.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_REFERENCE_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_REFERENCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace turnpike::config {

// Returns docs/configuration.md. `descriptor_set` is what protoc writes of config.proto with
// --include_imports and --include_source_info. INVALID_ARGUMENT for anything else.
absl::StatusOr<std::string> MakeReference(absl::string_view descriptor_set);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_REFERENCE_H_
