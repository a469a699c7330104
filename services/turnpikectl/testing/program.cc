#include "services/turnpikectl/testing/program.h"

#include <optional>
#include <sstream>

#include "services/turnpikectl/app.h"
#include "services/turnpikectl/connection/targets.h"

namespace turnpike::ctl {

Program::Program() {
  for (const ServiceInfo& service : AllServices()) {
    environment_[service.environment] = services_.address();
  }
  environment_["TURNPIKE_CONFIG"] = "/nonexistent/turnpike.yaml";
}

Program::Result Program::Run(const std::vector<std::string>& words,
                             const Surroundings& surroundings) const {
  std::istringstream in(surroundings.in);
  std::ostringstream out;
  std::ostringstream err;
  const World world = {.in = in,
                       .out = out,
                       .err = err,
                       .environment = [this](const char* name) -> std::optional<std::string> {
                         const auto found = environment_.find(name);
                         if (found == environment_.end()) return std::nullopt;
                         return found->second;
                       },
                       .in_is_terminal = surroundings.in_is_terminal,
                       .out_is_terminal = surroundings.out_is_terminal};
  const ExitCode code = RunApp(words, world);
  return {.code = static_cast<int>(code), .out = out.str(), .err = err.str()};
}

}  // namespace turnpike::ctl
