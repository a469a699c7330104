#include "services/common/observe/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "prometheus/client_metric.h"
#include "prometheus/metric_family.h"
#include "prometheus/metric_type.h"
#include "prometheus/registry.h"

namespace turnpike::observe {
namespace {

using prometheus::MetricFamily;

std::map<std::string, MetricFamily> CollectByName() {
  std::map<std::string, MetricFamily> families;
  for (MetricFamily& family : ProcessCollector().Collect()) families[family.name] = family;
  return families;
}

TEST(ProcessCollectorTest, StandardMetricsHavePlausibleValues) {
  std::map<std::string, MetricFamily> families = CollectByName();
  EXPECT_GT(families["process_resident_memory_bytes"].metric.at(0).gauge.value, 1e5);
  EXPECT_GT(families["process_virtual_memory_bytes"].metric.at(0).gauge.value, 1e6);
  EXPECT_GE(families["process_cpu_seconds_total"].metric.at(0).counter.value, 0);
  EXPECT_EQ(families["process_cpu_seconds_total"].type, prometheus::MetricType::Counter);
  EXPECT_GT(families["process_max_fds"].metric.at(0).gauge.value, 10);
  const double started = families["process_start_time_seconds"].metric.at(0).gauge.value;
  EXPECT_NEAR(started, absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()), 600);
}

TEST(ProcessCollectorTest, OpenDescriptorsAreCounted) {
  const double before = CollectByName()["process_open_fds"].metric.at(0).gauge.value;
  const int fd = open("/dev/null", O_RDONLY);
  EXPECT_EQ(CollectByName()["process_open_fds"].metric.at(0).gauge.value, before + 1);
  close(fd);
}

TEST(ProcessCollectorTest, LogLinesAreCountedByLevelFromZeroOn) {
  const MetricFamily family = CollectByName()["turnpike_log_messages_total"];
  ASSERT_EQ(family.metric.size(), 3u);
  EXPECT_EQ(family.metric[0].label.at(0).value, "error");
  EXPECT_EQ(family.metric[0].counter.value, 0);
}

TEST(RegistryTest, HasTheVersion) {
  const std::vector<MetricFamily> families = CreateRegistry()->Collect();
  ASSERT_EQ(families.size(), 1u);
  EXPECT_EQ(families[0].name, "turnpike_build_info");
  EXPECT_EQ(families[0].metric.at(0).label.at(0).name, "version");
}

TEST(BucketsTest, AreSorted) {
  for (const std::vector<double>& buckets : {LatencyBuckets(), SizeBuckets(), CountBuckets()}) {
    EXPECT_TRUE(std::is_sorted(buckets.begin(), buckets.end()));
  }
}

TEST(LabelCapTest, FurtherValuesAreOther) {
  LabelCap cap(2);
  EXPECT_EQ(cap.Admit("a"), "a");
  EXPECT_EQ(cap.Admit("b"), "b");
  EXPECT_EQ(cap.Admit("c"), "_other");
  EXPECT_EQ(cap.Admit("a"), "a");
}

// As reloads take names out of the configuration and put others in.
TEST(LabelCapTest, NameThatNobodyHoldsMakesRoomForAnother) {
  LabelCap cap(2);
  LabelCap same = cap;
  cap.Admit("a");
  same.Admit("a");
  cap.Admit("b");
  int gone = 0;
  cap.Release("a", [&] { ++gone; });
  EXPECT_EQ(cap.Admit("c"), "_other");
  EXPECT_EQ(gone, 0);
  cap.Release("a", [&] { ++gone; });
  EXPECT_EQ(gone, 1);
  EXPECT_EQ(same.Admit("c"), "c");
  for (const char* not_held : {"a", "_other"}) cap.Release(not_held, [&] { ++gone; });
  EXPECT_EQ(gone, 1);
}

}  // namespace
}  // namespace turnpike::observe
