// Logins that mailbox servers have reported, in the shared state of spool-store until they count no
// more. (AU-21)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_SHARED_LOGINS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_SHARED_LOGINS_H_

#include <functional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/auth-service/core/recent_logins.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::auth {

// The same on all replicas, and after a restart.
//
// Thread-safe.
class SharedLogins : public RecentLogins {
 public:
  struct Options {
    absl::Duration window = absl::Minutes(20);  // auth.pop_before_smtp.window; > 0
    // Whose a mailbox server's user name is: the account's own address. Names without a domain, and
    // aliases, are its business. Thread-safe; does not block.
    std::function<std::string(absl::string_view user)> account_of;
  };
  // `state` outlives this, and the calls in progress.
  SharedLogins(Options options, spool::SharedState& state);

  void Find(std::string account, std::string client_address, absl::Time deadline,
            absl::AnyInvocable<void(absl::StatusOr<bool>)> done) override;

  // A login was seen. `done` is called once, on any thread; INVALID_ARGUMENT: no user, or no IP
  // address; other errors: the shared state is away or full.
  void Report(absl::string_view user, absl::string_view client_address, absl::Time deadline,
              absl::AnyInvocable<void(absl::Status)> done);

 private:
  const Options options_;
  spool::SharedState& state_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_SHARED_LOGINS_H_
