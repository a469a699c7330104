#include "services/gateway-dequeue/rpc/queue_watch.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/spool-store/client/fake_spool.h"

namespace turnpike::dequeue {
namespace {

// Holds ten messages for b.example and one for each of the others but a.example, and tells when
// so many questions have come.
class CountingSpool : public spool::FakeSpool {
 public:
  explicit CountingSpool(int calls) : calls_left_(calls) {}
  void GetQueue(
      spool::v1::GetQueueRequest request, absl::Time,
      absl::AnyInvocable<void(absl::StatusOr<spool::v1::GetQueueResponse>)> done) override {
    const std::string& name = request.queue().name();
    spool::v1::GetQueueResponse response;
    if (name != "a.example") {
      response.mutable_stats()->set_held(name == "b.example" ? 10 : 1);
      response.mutable_stats()->set_bytes(100);
      response.mutable_stats()->mutable_oldest_time()->set_seconds(1'700'000'000);
    }
    done(std::move(response));
    if (--calls_left_ == 0) all_asked.Notify();
  }

  absl::Notification all_asked;

 private:
  std::atomic<int> calls_left_;
};

TEST(QueueWatchTest, FiguresAreByGatewayWithACap) {
  config::v1::Config config;
  for (const char* domain : {"a.example", "b.example", "c.example", "d.example"}) {
    config.add_gateways()->set_domain(domain);
  }
  base::Current<Settings> settings(std::make_shared<const Settings>(config));
  auto registry = std::make_shared<prometheus::Registry>();
  Metrics metrics(*registry);
  CountingSpool spool(5);  // the first call of the second round: the first one has been counted
  {
    QueueWatch watch(settings, spool, metrics,
                     {.interval = absl::Milliseconds(10), .gateways_max = 2});
    spool.all_asked.WaitForNotification();
  }
  const std::string text = prometheus::TextSerializer().Serialize(registry->Collect());
  const std::string held = "turnpike_dequeue_gateway_held_messages{gateway=";
  EXPECT_TRUE(absl::StrContains(text, absl::StrCat(held, "\"a.example\"} 0"))) << text;
  EXPECT_TRUE(absl::StrContains(text, absl::StrCat(held, "\"b.example\"} 10"))) << text;
  EXPECT_TRUE(absl::StrContains(text, absl::StrCat(held, "\"_other\"} 2"))) << text;
  EXPECT_TRUE(absl::StrContains(text, "turnpike_dequeue_domains_waiting 3")) << text;
  // Their oldest is of 2023.
  EXPECT_TRUE(absl::StrContains(text, "turnpike_dequeue_overdue_gateways 3")) << text;
  EXPECT_TRUE(absl::StrContains(
      text, "turnpike_dequeue_gateway_oldest_timestamp_seconds{gateway=\"a.example\"} 0"))
      << text;
}

// [PL-31]
TEST(QueueWatchTest, GatewayThatIsGoneHasNoFigures) {
  config::v1::Config config;
  config.add_gateways()->set_domain("a.example");
  config.add_gateways()->set_domain("b.example");
  base::Current<Settings> settings(std::make_shared<const Settings>(config));
  auto registry = std::make_shared<prometheus::Registry>();
  Metrics metrics(*registry);
  CountingSpool spool(1'000'000);
  QueueWatch watch(settings, spool, metrics, {.interval = absl::Milliseconds(2)});
  const auto has = [&registry](const char* gateway) {
    const std::string text = prometheus::TextSerializer().Serialize(registry->Collect());
    return absl::StrContains(text, absl::StrCat("held_messages{gateway=\"", gateway, "\"}"));
  };
  while (!has("a.example") || !has("b.example")) absl::SleepFor(absl::Milliseconds(1));
  config.mutable_gateways()->DeleteSubrange(0, 1);
  settings.Set(std::make_shared<const Settings>(config));
  while (has("a.example")) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(has("b.example"));
}

TEST(QueueWatchTest, HalfOfTheRetentionIsOverdueToo) {
  config::v1::Config config;
  for (const char* domain : {"a.example", "b.example", "c.example"}) {
    config.add_gateways()->set_domain(domain);
  }
  const absl::Duration age = absl::Now() - absl::FromUnixSeconds(1'700'000'000);
  config.mutable_gateways(1)->mutable_hold()->mutable_retention()->set_seconds(
      absl::ToInt64Seconds(age));
  config.mutable_gateways(2)->mutable_hold()->mutable_retention()->set_seconds(
      absl::ToInt64Seconds(4 * age));
  base::Current<Settings> settings(std::make_shared<const Settings>(config));
  auto registry = std::make_shared<prometheus::Registry>();
  Metrics metrics(*registry);
  CountingSpool spool(4);
  {
    QueueWatch watch(settings, spool, metrics,
                     {.interval = absl::Milliseconds(10), .overdue_age = absl::InfiniteDuration()});
    spool.all_asked.WaitForNotification();
  }
  const std::string text = prometheus::TextSerializer().Serialize(registry->Collect());
  EXPECT_TRUE(absl::StrContains(text, "turnpike_dequeue_overdue_gateways 1")) << text;
}

}  // namespace
}  // namespace turnpike::dequeue
