// The HTTP endpoint that a stock Dovecot reports logins to (`auth_policy_server_url`). (AU-21)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_POLICY_SERVER_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_POLICY_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/auth-service/mailbox/policy_report.h"

namespace turnpike::auth {

// POST, with JSON. `command=allow` is always answered with "go on": who may log in there is the
// mailbox server's business. `command=report` passes logins on.
//
//   200  done                         401  the key is missing or wrong
//   400  nothing that we understand   413  more than body_bytes_max
//   405  not POST                     503  the login could not be noted: `on_login` failed
//
// CivetWeb with threads of its own. Thread-safe. Serves until it is destroyed.
class PolicyServer {
 public:
  enum class Result { kAllow, kReport, kRefused, kMalformed, kError };
  struct Options {
    std::string listen;  // host:port with a numeric host; port 0 picks one
    // The value of the header `Authorization`; empty: none is asked for. Called for each request.
    std::function<std::string()> key;
    int threads = 4;  // requests at one time; further ones wait; > 0
    size_t body_bytes_max = 16 * 1024;
    // Notes a login; may block for a few seconds. Called on a thread of the server.
    std::function<absl::Status(const PolicyReport&)> on_login;
    // Called with each request's result.
    std::function<void(Result)> on_result;
  };

  // UNAVAILABLE when the address cannot be bound; the text says why.
  static absl::StatusOr<std::unique_ptr<PolicyServer>> Start(Options options);
  virtual ~PolicyServer() = default;

  virtual const std::string& address() const = 0;  // with the real port
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_POLICY_SERVER_H_
