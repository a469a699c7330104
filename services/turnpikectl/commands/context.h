// What a command works with.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_CONTEXT_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_CONTEXT_H_

#include <istream>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/turnpikectl/commands/printer.h"
#include "services/turnpikectl/connection/caller.h"

namespace turnpike::ctl {

// Thread-compatible.
class Context {
 public:
  // References outlive the context.
  struct Parts {
    Caller& caller;
    Printer& printer;
    std::istream& in;
    std::ostream& err;
    bool yes = false;              // do not ask (--yes)
    bool in_is_terminal = false;   // somebody can be asked
    bool out_is_terminal = false;  // octets of strangers must not reach it
  };

  explicit Context(const Parts& parts) : parts_(parts) {}

  Caller& caller() { return parts_.caller; }
  Printer& printer() { return parts_.printer; }
  std::istream& in() { return parts_.in; }
  bool in_is_terminal() const { return parts_.in_is_terminal; }
  bool out_is_terminal() const { return parts_.out_is_terminal; }

  // A line beside the answer, on standard error.
  void Note(absl::string_view text) { parts_.err << "turnpikectl: " << text << "\n"; }

  // Text before the cursor, where the user is to type something.
  void Prompt(absl::string_view text) { parts_.err << text << std::flush; }

  // OK if the user agrees to `question` (`Delete 17 messages?`), or has said --yes. Without a
  // terminal INVALID_ARGUMENT, which says what it is about (`17 messages would be deleted`) and
  // tells of --yes; CANCELLED for anything but yes.
  absl::Status Confirm(absl::string_view question, absl::string_view what_would_be);

  // Some of what was asked is done and some is not.
  void SetPartlyDone() { partly_done_ = true; }
  bool partly_done() const { return partly_done_; }

 private:
  const Parts parts_;
  bool partly_done_ = false;
};

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_CONTEXT_H_
