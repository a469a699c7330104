// What stands for a password in the configuration: `account hash`. (AU-23)
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/common/credentials/crypto.h"
#include "services/common/credentials/verifier_lines.h"
#include "services/common/credentials/verifiers.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/secret_input.h"

namespace turnpike::ctl {
namespace {

absl::StatusOr<std::vector<std::string>> MakeLines(const Invocation& invocation,
                                                   const std::string& password, int iterations) {
  const bool is_any_named = invocation.Has("--argon2id") || invocation.Has("--scram-sha-256") ||
                            invocation.Has("--scram-sha-1") || invocation.Has("--cram-md5");
  std::vector<std::string> lines;
  if (invocation.Has("--argon2id") || !is_any_named) {
    TURNPIKE_ASSIGN_OR_RETURN(std::string line, auth::MakeArgon2Line(password));
    lines.push_back(std::move(line));
  }
  if (invocation.Has("--scram-sha-256") || !is_any_named) {
    TURNPIKE_ASSIGN_OR_RETURN(std::string line,
                              auth::MakeScramLine(auth::HashKind::kSha256, password, iterations));
    lines.push_back(std::move(line));
  }
  if (invocation.Has("--scram-sha-1")) {
    TURNPIKE_ASSIGN_OR_RETURN(std::string line,
                              auth::MakeScramLine(auth::HashKind::kSha1, password, iterations));
    lines.push_back(std::move(line));
  }
  if (invocation.Has("--cram-md5")) lines.push_back(auth::MakeCramMd5Line(password));
  return lines;
}

absl::Status HashPassword(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(
      const int64_t iterations,
      invocation.Number("--iterations", auth::kScramIterationsDefault, auth::kScramIterationsMin,
                        auth::kScramIterationsMax));
  TURNPIKE_ASSIGN_OR_RETURN(std::string password, ReadNewPassword(context));
  const absl::Cleanup wipe = [&password] { auth::Wipe(password); };
  TURNPIKE_RETURN_IF_ERROR(auth::CheckNewPassword(password));
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<std::string> lines,
                            MakeLines(invocation, password, static_cast<int>(iterations)));
  Value value;
  value.Set("verifiers", Value::List(lines.begin(), lines.end()));
  context.printer().Done(absl::StrJoin(lines, "\n"), value);
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> AccountCommands() {
  return {
      {.path = "account hash",
       .summary = "make what stands for a password in the configuration",
       .details =
           "Reads a password, from the terminal without echo or from standard input (its "
           "first line), and prints the verifier lines for `password_file` of an account or a "
           "gateway: argon2id and SCRAM-SHA-256 unless others are named. The password is "
           "never an argument, because others could see it in the list of processes.",
       .flags = {{.name = "--argon2id", .value = "", .help = "for PLAIN and LOGIN"},
                 {.name = "--scram-sha-256",
                  .value = "",
                  .help = "for SCRAM-SHA-256, and PLAIN and LOGIN"},
                 {.name = "--scram-sha-1", .value = "", .help = "for SCRAM-SHA-1"},
                 {.name = "--cram-md5",
                  .value = "",
                  .help = "for CRAM-MD5 (fetchmail's ODMR); whoever gets it can log in so"},
                 {.name = "--iterations",
                  .value = "N",
                  .help = "of SCRAM, 4096 to 10000000 (default 10000)"}},
       .run = HashPassword},
  };
}

}  // namespace turnpike::ctl
