#include "services/common/process/flags.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace turnpike::process {

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (argument == "--check") {
      flags.check = true;
    } else if (argument == "--version") {
      flags.version = true;
    } else if (argument == "--help" || argument == "-h") {
      flags.help = true;
    } else if (absl::ConsumePrefix(&argument, "--config=")) {
      flags.config = std::string(argument);
    } else if (argument == "--config" && i + 1 < argc) {
      flags.config = argv[++i];
    } else {
      return absl::InvalidArgumentError(absl::StrCat(
          argument, argument == "--config" ? ": a file name must follow" : ": unknown flag"));
    }
  }
  if (flags.config.empty() && !flags.version && !flags.help) {
    return absl::InvalidArgumentError("--config FILE is missing");
  }
  return flags;
}

std::string UsageText(const std::string& service) {
  return absl::StrCat("usage: ", service,
                      " --config FILE [--check]\n"
                      "  --config FILE  the YAML document for all services\n"
                      "  --check        say whether it is valid, and exit 0 or 2\n"
                      "  --version      print the version\n"
                      "  --help         print this\n");
}

}  // namespace turnpike::process
