// The series of the dynamic screen and of the limits on guessing.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_METRICS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_METRICS_H_

#include "prometheus/counter.h"
#include "prometheus/gauge.h"

namespace prometheus {
class Registry;
}

namespace turnpike::auth {

// Thread-safe.
struct ScreenMetrics {
  explicit ScreenMetrics(prometheus::Registry& registry);

  // turnpike_auth_screen_failures_total{result}: failed logins as the screen took them. `counted`;
  // `repeated`: the same wrong password again; `dropped`: dynamic_screening.entries_max or too many
  // reports at one time, nobody counts these; `error`: the shared state was away, they are tried
  // again.
  prometheus::Counter& counted;
  prometheus::Counter& repeated;
  prometheus::Counter& dropped;
  prometheus::Counter& error;
  // turnpike_auth_screen_blocks_total{reason}
  prometheus::Counter& blocked_for_failures;
  prometheus::Counter& blocked_for_disallowed_auth;
  prometheus::Counter& blocked_by_operator;
  // turnpike_auth_screen_networks: blocked now.
  prometheus::Gauge& networks;
  // turnpike_auth_account_limits_total: accounts that have reached auth.account_failures_max.
  prometheus::Counter& account_limits;
  // turnpike_auth_account_limited_total: logins answered 454 for that, or from a blocked network.
  prometheus::Counter& account_limited;
  // turnpike_auth_screen_refresh_errors_total: the screen of the other replicas could not be read.
  prometheus::Counter& refresh_errors;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_METRICS_H_
