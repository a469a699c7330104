// Reads the YAML document into turnpike.config.v1.Config, strictly.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_LOADER_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_LOADER_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/config/v1/config.pb.h"

namespace turnpike::config {

// A complete, checked configuration: defaults are filled in, `*_file` secrets are read into their
// fields (`password_file` into `password`), names are normal. Every sub-message with defaults is
// present. Nobody needs to check a bound again.
struct LoadedConfig {
  v1::Config config;
  // Key path (`gateways[2].atrn.password`) to `file:line:column`, for messages about a value.
  std::map<std::string, std::string> places;
};

// Reads and checks the file. INVALID_ARGUMENT with all errors, one a line:
//   /etc/turnpike.yaml:12:5: gateways[0].etrn.prot: unknown key; did you mean `port`?
// NOT_FOUND when the file cannot be read.
absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path);

// The same for a text; `name` stands for the file in messages.
absl::StatusOr<LoadedConfig> ParseConfig(absl::string_view yaml, const std::string& name);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_LOADER_H_
