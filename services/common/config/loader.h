// Reads the YAML document into turnpike.config.v1.Config, strictly.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_LOADER_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_LOADER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/files.h"

namespace turnpike::config {

// A complete, checked configuration: defaults are filled in, `*_file` secrets are read into their
// fields (`password_file` into `password`), names are normal. Every sub-message with defaults is
// present. Nobody needs to check a bound again.
struct LoadedConfig {
  v1::Config config;
  // Key path (`gateways[2].atrn.password`) to `file:line:column`, for messages about a value.
  std::map<std::string, std::string> places;
  // What is allowed but probably not meant, in the form of errors.
  std::vector<std::string> warnings;
};

struct LoadOptions {
  // The service that asks (`auth-service`): files that only others read, such as secrets, need not
  // be there and are left alone. Empty: all of them are read and checked.
  std::string service;
  // Where given: gets the document and the files that the service reads, as they were just before
  // they were read. Of a document that is not valid too, as far as it could be understood: those
  // whose change may mend it. Not owned.
  SeenFiles* files = nullptr;
};

// Reads and checks the file. INVALID_ARGUMENT with all errors, one a line:
//   /etc/turnpike.yaml:12:5: gateways[0].etrn.prot: unknown key; did you mean `port`?
// NOT_FOUND, PERMISSION_DENIED and such when the file cannot be read.
absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path, const LoadOptions& options = {});

// The same for a text; `name` stands for the file in messages, and its folder is where relative
// paths begin.
absl::StatusOr<LoadedConfig> ParseConfig(absl::string_view yaml, const std::string& name,
                                         const LoadOptions& options = {});

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_LOADER_H_
