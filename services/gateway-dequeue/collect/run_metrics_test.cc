#include "services/gateway-dequeue/collect/run_metrics.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "prometheus/registry.h"

namespace turnpike::dequeue {
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

TEST(RunMetricsTest, SeriesGoWithTheLastWhoAskedForThem) {
  prometheus::Registry registry;
  RunMetrics metrics(registry);
  const auto first = metrics.ForName(RunKind::kCollection, "a");
  auto second = metrics.ForName(RunKind::kCollection, "a");
  auto other = metrics.ForName(RunKind::kCollection, "b");
  EXPECT_EQ(first, second);
  second = nullptr;
  other = nullptr;
  for (const char* metric : {"turnpike_dequeue_run_failures", "turnpike_dequeue_runs"}) {
    EXPECT_EQ(Names(registry, metric, "name"), std::set<std::string>{"a"}) << metric;
  }
  EXPECT_EQ(Names(registry, "turnpike_dequeue_collected_messages_total", "collection"),
            std::set<std::string>{"a"});
}

// Each reload brings other names; none may end up without a name of its own for that.
TEST(RunMetricsTest, NamesThatAreNoMoreMakeRoomForOthers) {
  prometheus::Registry registry;
  RunMetrics metrics(registry);
  for (int reload = 0; reload < 5; ++reload) {
    std::vector<std::shared_ptr<RunSeries>> held;
    for (int i = 0; i < 30; ++i) {
      held.push_back(metrics.ForName(RunKind::kCollection, absl::StrCat("c", reload, "-", i)));
      held.push_back(metrics.ForName(RunKind::kRequest, absl::StrCat("r", reload, "-", i)));
    }
    EXPECT_EQ(Names(registry, "turnpike_dequeue_run_failures", "name").count("_other"), 0u)
        << reload;
  }
}

}  // namespace
}  // namespace turnpike::dequeue
