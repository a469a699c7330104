// Reads a password where nobody sees it.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_SECRET_INPUT_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_SECRET_INPUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "services/turnpikectl/commands/context.h"

namespace turnpike::ctl {

// From a terminal: asked for twice, without echo. From anywhere else: the first line. Keeps the
// process out of core dumps and from others' view from then on. INVALID_ARGUMENT: nothing came, or
// two different ones.
absl::StatusOr<std::string> ReadNewPassword(Context& context);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_SECRET_INPUT_H_
