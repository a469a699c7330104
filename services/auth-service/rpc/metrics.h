// The series of auth-service. Labels come from closed sets: mechanisms, rules, results.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_METRICS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_METRICS_H_

#include "absl/strings/string_view.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "services/auth-service/core/mechanisms.h"

namespace prometheus {
class Registry;
}

namespace turnpike::auth {

// Thread-safe.
class Metrics {
 public:
  enum class Result { kAllow, kDeny, kError };

  explicit Metrics(prometheus::Registry& registry);

  // turnpike_auth_requests_total: AUTH exchanges that have ended. Many `deny`: somebody guesses
  // passwords; `error`: more checks than the machine can do.
  void CountLogin(Mechanism mechanism, Result result);
  // turnpike_auth_decisions_total: MAIL (`submit`), RCPT (`relay`), From: (`header`), and
  // turnpike_auth_refusals_total by rule.
  void CountMail(const v1::Verdict& verdict) { CountVerdict(submit_, verdict); }
  void CountRcpt(const v1::Verdict& verdict) { CountVerdict(relay_, verdict); }
  void CountHeader(const v1::Verdict& verdict) { CountVerdict(header_, verdict); }
  // Of anything else, by a rule of rules.h, or `AU-22`.
  void CountRefusal(absl::string_view rule);

  prometheus::Histogram& hash_duration_seconds;  // one password check
  prometheus::Gauge& hash_waiting;               // checks that wait for a thread
  prometheus::Gauge& streams;                    // open, about one for each frontend thread

 private:
  struct Decisions {
    prometheus::Counter& allow;
    prometheus::Counter& deny;
  };
  void CountVerdict(const Decisions& decisions, const v1::Verdict& verdict);

  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& refusals_;
  prometheus::Family<prometheus::Counter>& decisions_;
  const Decisions submit_;
  const Decisions relay_;
  const Decisions header_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_METRICS_H_
