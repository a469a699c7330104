#include "services/auth-service/mailbox/metrics.h"

#include "prometheus/registry.h"

namespace turnpike::auth {
namespace {

// Families of one name are one, so that members can be made one by one.
prometheus::Counter& Requests(prometheus::Registry& registry, const char* result) {
  return prometheus::BuildCounter()
      .Name("turnpike_auth_policy_requests_total")
      .Help("Requests of mailbox servers on auth.pop_before_smtp.policy_listen")
      .Register(registry)
      .Add({{"result", result}});
}

}  // namespace

MailboxMetrics::MailboxMetrics(prometheus::Registry& registry)
    : allow(Requests(registry, "allow")),
      report(Requests(registry, "report")),
      refused(Requests(registry, "refused")),
      malformed(Requests(registry, "malformed")),
      error(Requests(registry, "error")),
      logins(prometheus::BuildCounter()
                 .Name("turnpike_auth_mailbox_logins_total")
                 .Help("POP3 and IMAP logins that mailbox servers have reported")
                 .Register(registry)
                 .Add({})) {}

}  // namespace turnpike::auth
