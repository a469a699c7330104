// The series of mailbox logins. (AU-21)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_METRICS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_METRICS_H_

#include "prometheus/counter.h"

namespace prometheus {
class Registry;
}

namespace turnpike::auth {

// Thread-safe.
struct MailboxMetrics {
  explicit MailboxMetrics(prometheus::Registry& registry);

  // turnpike_auth_policy_requests_total{result}: requests of mailbox servers by HTTP. `refused`:
  // without the key; `malformed`; `error`: the login could not be noted.
  prometheus::Counter& allow;
  prometheus::Counter& report;
  prometheus::Counter& refused;
  prometheus::Counter& malformed;
  prometheus::Counter& error;
  // turnpike_auth_mailbox_logins_total: logins noted, by HTTP and by API.
  prometheus::Counter& logins;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_MAILBOX_METRICS_H_
