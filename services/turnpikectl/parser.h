// From a command line to the command that is meant, and what it was given.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_PARSER_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_PARSER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/turnpikectl/core/command.h"

namespace turnpike::ctl {

struct ParsedLine {
  const Command* command = nullptr;  // of `commands`; none when help was asked for
  Invocation invocation;             // global flags too
  std::string help;                  // what --help has asked for; else empty
};

// `words`: the command line behind the program's name. INVALID_ARGUMENT says what is wrong, where,
// and what to do.
absl::StatusOr<ParsedLine> ParseLine(const std::vector<Command>& commands,
                                     const std::vector<Flag>& global_flags,
                                     std::vector<std::string> words);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_PARSER_H_
