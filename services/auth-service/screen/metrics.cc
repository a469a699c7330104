#include "services/auth-service/screen/metrics.h"

#include <string>

#include "prometheus/registry.h"

namespace turnpike::auth {
namespace {

prometheus::Family<prometheus::Counter>& Counters(prometheus::Registry& registry,
                                                  const std::string& name,
                                                  const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

// Families of one name are one, so that members can be made one by one.
prometheus::Counter& Failures(prometheus::Registry& registry, const char* result) {
  return Counters(registry, "turnpike_auth_screen_failures_total",
                  "Failed logins as the dynamic screen took them")
      .Add({{"result", result}});
}

prometheus::Counter& Blocks(prometheus::Registry& registry, const char* reason) {
  return Counters(registry, "turnpike_auth_screen_blocks_total",
                  "Networks put on the dynamic screen")
      .Add({{"reason", reason}});
}

}  // namespace

ScreenMetrics::ScreenMetrics(prometheus::Registry& registry)
    : counted(Failures(registry, "counted")),
      repeated(Failures(registry, "repeated")),
      dropped(Failures(registry, "dropped")),
      error(Failures(registry, "error")),
      blocked_for_failures(Blocks(registry, "failures")),
      blocked_for_disallowed_auth(Blocks(registry, "disallowed_auth")),
      blocked_by_operator(Blocks(registry, "operator")),
      networks(prometheus::BuildGauge()
                   .Name("turnpike_auth_screen_networks")
                   .Help("Networks that are blocked")
                   .Register(registry)
                   .Add({})),
      account_limits(Counters(registry, "turnpike_auth_account_limits_total",
                              "Accounts that have reached auth.account_failures_max")
                         .Add({})),
      account_limited(Counters(registry, "turnpike_auth_account_limited_total",
                               "Logins not looked at because the account has failed too often, or "
                               "the client is blocked")
                          .Add({})),
      refresh_errors(Counters(registry, "turnpike_auth_screen_refresh_errors_total",
                              "Failed attempts to read the screen that all replicas share")
                         .Add({})) {}

}  // namespace turnpike::auth
