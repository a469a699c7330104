// Drives the rules: gets them the evidence that they want, and hands out the verdict.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_INQUIRY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_INQUIRY_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/account_directory.h"
#include "services/auth-service/core/address_sharing.h"
#include "services/auth-service/core/recent_logins.h"
#include "services/auth-service/core/rules.h"
#include "services/auth-service/core/site.h"

namespace turnpike::auth {

// Who can be asked. All outlive the inquiries.
struct Witnesses {
  RecentLogins* recent_logins = nullptr;  // null: auth.pop_before_smtp is off
  AddressSharing* sharing = nullptr;      // null: no domain_sharing.hosts
  std::vector<AccountDirectory*> directories;
};

using Decide = std::function<Decision(const Evidence& evidence)>;

// Calls `decide`, which owns what it looks at, until it has a verdict, and `done` with that, once,
// on any thread, also inside of this call. When somebody who is asked does not answer, the verdict
// is 451 with the rule `unavailable`.
void Inquire(const Witnesses& witnesses, std::string client_address, absl::Time deadline,
             Decide decide, absl::AnyInvocable<void(v1::Verdict)> done);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_INQUIRY_H_
