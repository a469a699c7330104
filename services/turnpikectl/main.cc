// turnpikectl: the operator's command line.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "services/turnpikectl/app.h"

int main(int argc, char** argv) {
  // Debian builds Abseil with its search for deadlocks on, which is for tests.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  std::ios::sync_with_stdio(false);
  const turnpike::ctl::World world = {
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .environment = [](const char* name) -> std::optional<std::string> {
        const char* value = std::getenv(name);
        if (value == nullptr) return std::nullopt;
        return value;
      },
      .in_is_terminal = isatty(STDIN_FILENO) != 0,
      .out_is_terminal = isatty(STDOUT_FILENO) != 0};
  const auto code = turnpike::ctl::RunApp(std::vector<std::string>(argv + 1, argv + argc), world);
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "turnpikectl: the answer could not be written\n";
    return static_cast<int>(turnpike::ctl::ExitCode::kError);
  }
  return static_cast<int>(code);
}
