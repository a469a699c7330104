#include "services/smtp-frontend/session/metrics.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "prometheus/registry.h"

namespace turnpike::frontend {
namespace {

// The values of a label that the metric has at present.
std::set<std::string> Names(prometheus::Registry& registry, const std::string& metric,
                            const std::string& label) {
  std::set<std::string> names;
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    if (family.name != metric) continue;
    for (const prometheus::ClientMetric& each : family.metric) {
      for (const auto& [name, value] : each.label) {
        if (name == label) names.insert(value);
      }
    }
  }
  return names;
}

// An alert must not ask for a certificate that nobody shows any more.
TEST(ListenerMetricsTest, CertificateOfAListenerThatIsNoMoreIsNotReported) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  const auto kept = metrics.ForListener("kept");
  auto gone = metrics.ForListener("gone");
  auto of_a_session = metrics.ForListener("gone");
  for (const auto& listener : {kept, gone}) {
    metrics.SetCertificateEnd(*listener, absl::FromUnixSeconds(1));
    metrics.SetConnectionsLimit(*listener, 5);
  }
  const std::set<std::string> both = {"gone", "kept"};
  gone = nullptr;
  EXPECT_EQ(Names(registry, "turnpike_certificate_not_after_timestamp_seconds", "name"), both);
  of_a_session = nullptr;
  EXPECT_EQ(Names(registry, "turnpike_certificate_not_after_timestamp_seconds", "name"),
            std::set<std::string>{"kept"});
  EXPECT_EQ(Names(registry, "turnpike_smtp_connections_limit", "listener"),
            std::set<std::string>{"kept"});
  EXPECT_EQ(Names(registry, "turnpike_smtp_connections_total", "listener"), both);
}

TEST(ListenerMetricsTest, ListenersThatComeWithReloadsHaveTheirNames) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  for (int reload = 0; reload < 200; ++reload) {
    const std::string name = absl::StrCat("listener-", reload);
    EXPECT_EQ(metrics.ForListener(name)->label, name);
  }
}

}  // namespace
}  // namespace turnpike::frontend
