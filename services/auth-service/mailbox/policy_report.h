// What Dovecot's auth policy client tells. (AU-21)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_POLICY_REPORT_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_POLICY_REPORT_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace turnpike::auth {

struct PolicyReport {
  std::string login;   // the user, as its Dovecot knows it
  std::string remote;  // an IP address
  // A mailbox was opened: by POP3 or IMAP, and not refused after all.
  bool is_mailbox_login = false;
};

// Reads the body of a request with `command=report`. INVALID_ARGUMENT if it is no JSON object with
// `login` and `remote`; the text holds nothing of it. Members that we do not know are ignored.
absl::StatusOr<PolicyReport> ParsePolicyReport(absl::string_view body);

// The value of `command` in a request's query; nothing if it has none.
std::optional<absl::string_view> PolicyCommand(absl::string_view query);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_POLICY_REPORT_H_
