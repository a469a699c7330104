// POP before SMTP, our side (DL-23): a POP3 login that opens a smart host for our address.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_POP_CHECKS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_POP_CHECKS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/outbound-delivery/core/logins.h"
#include "services/outbound-delivery/core/route_plan.h"

namespace turnpike::delivery {

// Logs in by libcurl, on a thread of its own. A login counts for `every`, for this process: it
// opens the smart host for the address that we connect from.
//
// Without allow_cleartext the password is sent in clear only under TLS; else APOP or CRAM-MD5 are
// used, or the check fails.
//
// Thread-safe.
class PopChecks {
 public:
  struct Check {
    std::string name;  // RoutePlan.pop_check
    std::string host;  // a name or an address, without brackets
    uint16_t port = 110;
    RoutePlan::Tls tls = RoutePlan::Tls::kOpportunistic;
    std::string authorities_file;  // PEM; empty: the system's. For kVerified and kImplicit
    Login login;
    absl::Duration every = absl::Minutes(10);
    absl::Duration timeout = absl::Seconds(30);
  };
  using Callback = absl::AnyInvocable<void(absl::Status)>;
  // Told of each login that was tried, on the thread.
  using Report = absl::AnyInvocable<void(const absl::Status&)>;

  // `clock` outlives this.
  PopChecks(std::vector<Check> checks, Report report, const base::Clock& clock);
  // Ends what is under way; its callbacks get CANCELLED.
  ~PopChecks();

  // Calls `done` once the login of this name counts: at once where one does already, and together
  // for all who ask meanwhile. UNAUTHENTICATED when it was refused, UNAVAILABLE when the server
  // could not be had, NOT_FOUND for an unknown name. On any thread, perhaps before this returns.
  void Ensure(const std::string& name, Callback done);

 private:
  class State;
  const std::unique_ptr<State> state_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_POP_CHECKS_H_
