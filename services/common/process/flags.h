// The flags that every service binary has. All else is configuration.
#ifndef TURNPIKE_SERVICES_COMMON_PROCESS_FLAGS_H_
#define TURNPIKE_SERVICES_COMMON_PROCESS_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace turnpike::process {

struct Flags {
  std::string config;             // --config FILE
  std::optional<uint32_t> shard;  // --shard NUMBER, 0 to 255 (spool-store)
  bool check = false;             // --check: validate and exit
  bool version = false;           // --version
  bool help = false;              // --help
};

// INVALID_ARGUMENT, with a text for people, for anything unknown and for a missing --config where
// it is needed.
absl::StatusOr<Flags> ParseFlags(const std::string& service, int argc, const char* const* argv);

std::string UsageText(const std::string& service);

}  // namespace turnpike::process

#endif  // TURNPIKE_SERVICES_COMMON_PROCESS_FLAGS_H_
