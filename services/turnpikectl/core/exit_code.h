// How the program ends.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_EXIT_CODE_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_EXIT_CODE_H_

#include "absl/status/status.h"

namespace turnpike::ctl {

// Scripts rely on these: never renumber.
enum class ExitCode {
  kOk = 0,
  kError = 1,
  kUsage = 2,
  kNotFound = 3,
  kPartlyDone = 4,
  kUnavailable = 5,
};

// Of a command that did nothing, or all that was asked.
inline ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnavailable;
    default:
      return ExitCode::kError;
  }
}

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_EXIT_CODE_H_
