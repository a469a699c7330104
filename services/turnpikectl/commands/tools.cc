// What needs no service: `config check`, `completion`, `version`.
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/version.h"
#include "services/common/config/loader.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/core/completion.h"

namespace turnpike::ctl {
namespace {

absl::Status CheckConfig(const Invocation& invocation, Context& context) {
  const std::string path = invocation.Get("FILE");
  const absl::StatusOr<config::LoadedConfig> loaded =
      config::LoadConfig(path, {.service = invocation.Get("--service")});
  if (absl::IsInvalidArgument(loaded.status())) {
    // What is wrong is the file, not the command line.
    return absl::FailedPreconditionError(loaded.status().message());
  }
  if (!loaded.ok()) return loaded.status();
  Value::List warnings;
  for (const std::string& warning : loaded->warnings) {
    context.Note(absl::StrCat(warning, " (warning)"));
    warnings.push_back(warning);
  }
  Value value;
  value.Set("file", path);
  value.Set("valid", true);
  value.Set("warnings", warnings);
  context.printer().Done(absl::StrCat(path, ": configuration is valid"), value);
  return absl::OkStatus();
}

absl::Status PrintCompletion(const Invocation& invocation, Context& context) {
  context.printer().Text(CompletionScript(invocation.Get("SHELL")));
  return absl::OkStatus();
}

absl::Status PrintVersion(const Invocation&, Context& context) {
  Value value;
  value.Set("version", base::kVersion);
  context.printer().Done(absl::StrCat("turnpikectl ", base::kVersion), value);
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> ToolCommands() {
  return {
      {.path = "config check",
       .summary = "say whether a configuration is valid",
       .details =
           "Reads a configuration as the services do, with all files that it names, and says "
           "everything that is wrong, with file, line and key path. Ends with 1 if it is not "
           "valid.",
       .arguments = {{.name = "FILE", .help = "the YAML document"}},
       .flags = {{.name = "--service",
                  .value = "NAME",
                  .help = "look only at the files that this service reads (default: all)"}},
       .run = CheckConfig},
      {.path = "completion",
       .summary = "a shell's completion script",
       .details = "Prints a script that makes a shell complete commands, flags and the names of "
                  "gateways, queues and messages: source <(turnpikectl completion bash).",
       .arguments = {{.name = "SHELL", .help = "which", .choices = {"bash", "zsh", "fish"}}},
       .run = PrintCompletion},
      {.path = "version",
       .summary = "the program's version",
       .details = "Prints the version.",
       .run = PrintVersion},
  };
}

}  // namespace turnpike::ctl
