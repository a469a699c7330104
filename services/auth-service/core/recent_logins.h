// POP before SMTP, as the rules ask it. (AU-21)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RECENT_LOGINS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RECENT_LOGINS_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace turnpike::auth {

// Thread-safe. Asked only while auth.pop_before_smtp.enabled.
class RecentLogins {
 public:
  virtual ~RecentLogins() = default;

  // Whether a mailbox server has reported a login of `account` (an account's own address, case does
  // not matter) from `client_address` within auth.pop_before_smtp.window. `done` is called exactly
  // once, also inside of this call, on any thread; it does not block. An error means that nobody
  // knows: the mail gets 451.
  virtual void Find(std::string account, std::string client_address, absl::Time deadline,
                    absl::AnyInvocable<void(absl::StatusOr<bool>)> done) = 0;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RECENT_LOGINS_H_
