#include "services/turnpikectl/commands/context.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace turnpike::ctl {

absl::Status Context::Confirm(absl::string_view question, absl::string_view what_would_be) {
  if (parts_.yes) return absl::OkStatus();
  if (!parts_.in_is_terminal) {
    return absl::InvalidArgumentError(absl::StrCat(
        what_would_be,
        ". Nothing was done, as there is no terminal to ask at: repeat it with --yes"));
  }
  Prompt(absl::StrCat(question, " [y/N] "));
  std::string answer;
  std::getline(parts_.in, answer);
  if (absl::EqualsIgnoreCase(answer, "y") || absl::EqualsIgnoreCase(answer, "yes")) {
    return absl::OkStatus();
  }
  return absl::CancelledError("nothing was done");
}

}  // namespace turnpike::ctl
