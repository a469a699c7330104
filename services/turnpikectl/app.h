// The program as a function: command line in, text and exit code out.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_APP_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_APP_H_

#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "services/turnpikectl/core/exit_code.h"

namespace turnpike::ctl {

// What the program has of the world around it. References outlive the call.
struct World {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  std::function<std::optional<std::string>(const char* name)> environment;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
};

// `words`: the command line behind the program's name. Blocks. Answers go to `out`; errors, one
// line each, and questions to `err`.
ExitCode RunApp(const std::vector<std::string>& words, const World& world);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_APP_H_
