#include "services/turnpikectl/app.h"

#include <map>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/status_macros.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/printer.h"
#include "services/turnpikectl/connection/caller.h"
#include "services/turnpikectl/connection/targets.h"
#include "services/turnpikectl/core/completion.h"
#include "services/turnpikectl/parser.h"

namespace turnpike::ctl {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(30);
// What somebody who has pressed the tab key waits.
constexpr char kCompletionTimeout[] = "2s";
constexpr char kCompleteCommand[] = "__complete";

Targets MakeTargets(const Invocation& invocation, const World& world) {
  Targets::Sources sources = {.tls_directory = invocation.Get("--tls-directory"),
                              .config = invocation.Get("--config"),
                              .environment = world.environment};
  for (const ServiceInfo& service : AllServices()) {
    if (invocation.Has(service.flag)) sources.flags[service.flag] = invocation.Get(service.flag);
  }
  return Targets(std::move(sources));
}

absl::StatusOr<ExitCode> RunCommand(const ParsedLine& line, const World& world) {
  const Invocation& invocation = line.invocation;
  TURNPIKE_ASSIGN_OR_RETURN(const absl::Duration timeout,
                            invocation.Duration("--timeout", kTimeout));
  // The parser has checked its choices.
  const Form form = ParseForm(invocation.Get("--output")).value_or(Form::kTable);
  Caller caller(MakeTargets(invocation, world), timeout);
  Printer printer(form, world.out, absl::Now());
  Context context({.caller = caller,
                   .printer = printer,
                   .in = world.in,
                   .err = world.err,
                   .yes = invocation.Has("--yes"),
                   .in_is_terminal = world.in_is_terminal,
                   .out_is_terminal = world.out_is_terminal});
  TURNPIKE_RETURN_IF_ERROR(line.command->run(invocation, context));
  return context.partly_done() ? ExitCode::kPartlyDone : ExitCode::kOk;
}

// The names that a listing command has now; none when it fails.
std::vector<std::string> NamesOf(const std::string& path, const World& world) {
  std::vector<std::string> words = PathWords(path);
  for (const char* word : {"--output", "name", "--timeout", kCompletionTimeout}) {
    words.push_back(word);
  }
  std::istringstream nothing;
  std::stringstream out;
  std::ostringstream err;
  const World inner = {.in = nothing, .out = out, .err = err, .environment = world.environment};
  if (RunApp(words, inner) != ExitCode::kOk) return {};
  std::vector<std::string> names;
  for (std::string name; std::getline(out, name);) names.push_back(name);
  return names;
}

void PrintCandidates(const std::vector<std::string>& words, const World& world) {
  const NameSource names = [&world](const std::string& path) { return NamesOf(path, world); };
  for (const Candidate& candidate : Complete(AllCommands(), GlobalFlags(), words, names)) {
    world.out << candidate.word << (candidate.help.empty() ? "" : "\t") << candidate.help << "\n";
  }
}

ExitCode Fail(const absl::Status& status, const World& world) {
  world.err << "turnpikectl: " << status.message() << "\n";
  return ExitCodeOf(status);
}

}  // namespace

ExitCode RunApp(const std::vector<std::string>& words, const World& world) {
  if (!words.empty() && words.front() == kCompleteCommand) {
    PrintCandidates({words.begin() + 1, words.end()}, world);
    return ExitCode::kOk;
  }
  if (words == std::vector<std::string>{"--version"}) return RunApp({"version"}, world);
  const absl::StatusOr<ParsedLine> line = ParseLine(AllCommands(), GlobalFlags(), words);
  if (!line.ok()) return Fail(line.status(), world);
  if (line->command == nullptr) {
    world.out << line->help;
    return ExitCode::kOk;
  }
  const absl::StatusOr<ExitCode> code = RunCommand(*line, world);
  return code.ok() ? *code : Fail(code.status(), world);
}

}  // namespace turnpike::ctl
