#include "services/turnpikectl/commands/secret_input.h"

#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "services/common/base/status_macros.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::ctl {
namespace {

// A terminal at standard input shows nothing of what is typed while this lives.
class EchoOff {
 public:
  EchoOff() {
    is_terminal_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!is_terminal_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~EchoOff() {
    if (is_terminal_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

 private:
  termios before_{};
  bool is_terminal_ = false;
};

absl::StatusOr<std::string> ReadLine(Context& context) {
  std::string line;
  if (!std::getline(context.in(), line)) {
    return absl::InvalidArgumentError("no password came on standard input");
  }
  if (absl::EndsWith(line, "\r")) line.pop_back();
  return line;
}

}  // namespace

absl::StatusOr<std::string> ReadNewPassword(Context& context) {
  prctl(PR_SET_DUMPABLE, 0);
  if (!context.in_is_terminal()) return ReadLine(context);
  const EchoOff echo_off;
  context.Prompt("Password: ");
  TURNPIKE_ASSIGN_OR_RETURN(std::string first, ReadLine(context));
  context.Prompt("\nThe same again: ");
  TURNPIKE_ASSIGN_OR_RETURN(std::string second, ReadLine(context));
  context.Prompt("\n");
  const bool is_same = auth::ConstantTimeEqual(first, second);
  auth::Wipe(second);
  if (is_same) return first;
  auth::Wipe(first);
  return absl::InvalidArgumentError("these were two different passwords; nothing was made");
}

}  // namespace turnpike::ctl
