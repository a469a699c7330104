// What a shell may put where the cursor is.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_COMPLETION_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_COMPLETION_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/turnpikectl/core/command.h"

namespace turnpike::ctl {

struct Candidate {
  std::string word;
  std::string help;  // may be empty
};

// The names that a listing command prints (`gateways`): asked only where they are needed.
using NameSource = std::function<std::vector<std::string>(const std::string& path)>;

// `words`: the command line behind the program's name up to the cursor; the last is the one to
// complete, and may be empty. Candidates begin with it; none means that file names may do.
std::vector<Candidate> Complete(const std::vector<Command>& commands,
                                const std::vector<Flag>& global_flags,
                                const std::vector<std::string>& words, const NameSource& names);

// The script for `bash`, `zsh` or `fish` that asks `turnpikectl __complete`; empty for any other.
std::string CompletionScript(absl::string_view shell);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_COMPLETION_H_
