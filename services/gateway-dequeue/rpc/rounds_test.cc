// What gateway-dequeue does by itself: releases at an interval, and returns what is too old.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/message_id.h"
#include "services/gateway-dequeue/rpc/forward_rounds.h"
#include "services/gateway-dequeue/rpc/retention_rounds.h"
#include "services/gateway-dequeue/rpc/test_parts.h"
#include "services/spool-store/client/fake_shared_state.h"
#include "services/spool-store/client/fake_spool.h"

namespace turnpike::dequeue {
namespace {

void WaitUntil(const std::function<bool()>& condition) {
  while (!condition()) absl::SleepFor(absl::Milliseconds(2));
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  out->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
}

// a.example has both an interval and a retention.
class RoundsTest : public ::testing::Test {
 protected:
  static config::v1::Config MakeConfig(absl::Duration forward_every, absl::Duration retention,
                                       const std::string& deliver_to = "mx.a.example") {
    config::v1::Config config;
    config.set_hostname("gate.example");
    config::v1::Gateway* gateway = config.add_gateways();
    gateway->set_domain("a.example");
    gateway->mutable_etrn()->set_deliver_to(deliver_to);
    gateway->mutable_etrn()->set_port(25);
    SetDuration(forward_every, gateway->mutable_forward_every());
    SetDuration(retention, gateway->mutable_hold()->mutable_retention());
    return config;
  }

  static constexpr absl::Duration kTick = absl::Milliseconds(2);
  static ForwardRounds::Options Forwarding() {
    return {.tick = kTick, .retry_delay = absl::Milliseconds(10)};
  }
  static RetentionRounds::Options Retention() {
    return {.tick = kTick, .interval_max = absl::Milliseconds(10)};
  }

  void Hold(const std::string& text, absl::Duration age, bool hold = true) {
    const absl::Time received = absl::Now() - age;
    spool::v1::NewMessage message;
    message.set_message_id(std::string(base::MessageId::Generate(absl::Now()).bytes()));
    message.mutable_envelope()->set_return_path("ann@sender.example");
    message.set_inline_content(absl::StrCat("Subject: ", text, "\r\n\r\n"));
    message.set_content_bytes(static_cast<int64_t>(message.inline_content().size()));
    message.mutable_received_time()->set_seconds(absl::ToUnixSeconds(received));
    spool::v1::NewDelivery* delivery = message.add_deliveries();
    delivery->mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
    delivery->mutable_queue()->set_name("a.example");
    delivery->add_recipients()->set_address(absl::StrCat(text, "@a.example"));
    delivery->set_hold(hold);
    spool_.Enqueue(std::move(message), absl::InfiniteFuture(),
                   [](absl::Status status) { EXPECT_TRUE(status.ok()) << status; });
  }
  void Put(const std::string& key) {
    spool::v1::PutEntryRequest put;
    put.set_key(key);
    state_.Put(
        std::move(put), absl::InfiniteFuture(),
        [](absl::StatusOr<spool::v1::PutEntryResponse> response) { ASSERT_TRUE(response.ok()); });
  }
  void Delete(const std::string& key) {
    spool::v1::DeleteEntryRequest request;
    request.set_key(key);
    state_.Delete(std::move(request), absl::InfiniteFuture(),
                  [](absl::StatusOr<spool::v1::DeleteEntryResponse>) {});
  }
  // The gateway's recipients that are left, in order.
  std::string Left() const {
    std::string left;
    for (const spool::v1::Delivery& delivery : spool_.deliveries()) {
      if (delivery.queue().kind() != spool::v1::QUEUE_KIND_GATEWAY) continue;
      absl::StrAppend(&left, delivery.recipients(0).address(), " ");
    }
    return left;
  }
  spool::FakeSpool spool_;
  spool::FakeSharedState state_;
};

// [DQ-3]
TEST_F(RoundsTest, ForwardsAgainAndAgain) {
  TestParts replica(MakeConfig(absl::Milliseconds(20), absl::ZeroDuration()), spool_, state_);
  ForwardRounds rounds(replica.parts(), Forwarding());
  WaitUntil([this] { return spool_.releases().size() >= 4; });
  EXPECT_EQ(spool_.releases()[0].queue().name(), "a.example");
  EXPECT_EQ(spool_.releases()[0].route().domain(), "mx.a.example");
  EXPECT_TRUE(absl::StrContains(
      replica.MetricsText(),
      "turnpike_dequeue_requests_total{protocol=\"interval\",result=\"no_mail\"}"));
}

// [PL-31]
TEST_F(RoundsTest, GoesByAnotherConfigurationFromTheNextRoundOn) {
  TestParts replica(MakeConfig(absl::ZeroDuration(), absl::ZeroDuration()), spool_, state_);
  ForwardRounds forward(replica.parts(), Forwarding());
  RetentionRounds retention(replica.parts(), Retention());
  Hold("old", absl::Hours(72));
  absl::SleepFor(absl::Milliseconds(30));
  EXPECT_TRUE(spool_.releases().empty());
  EXPECT_EQ(Left(), "old@a.example ");
  replica.Reconfigure(MakeConfig(absl::ZeroDuration(), absl::Hours(48)));
  WaitUntil([this] { return Left().empty(); });
  replica.Reconfigure(MakeConfig(absl::Hours(1), absl::ZeroDuration()));
  WaitUntil([this] { return spool_.releases().size() == 1; });
}

TEST_F(RoundsTest, OneReplicaForwards) {
  const config::v1::Config config = MakeConfig(absl::Hours(1), absl::ZeroDuration());
  Hold("x", absl::ZeroDuration());
  {
    TestParts one(config, spool_, state_);
    TestParts two(config, spool_, state_);
    ForwardRounds first(one.parts(), Forwarding());
    ForwardRounds second(two.parts(), Forwarding());
    WaitUntil([this] { return !spool_.releases().empty(); });
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(spool_.releases().size(), 1u);
  // Nor after a restart before the interval is over.
  TestParts three(config, spool_, state_);
  ForwardRounds third(three.parts(), Forwarding());
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(spool_.releases().size(), 1u);
}

TEST_F(RoundsTest, ForwardsWhatAReplicaDidNotLiveToDo) {
  spool::v1::PutEntryRequest claim;
  claim.set_key("forward/a.example");
  SetDuration(absl::Milliseconds(50), claim.mutable_time_to_live_duration());
  state_.Put(
      std::move(claim), absl::InfiniteFuture(),
      [](absl::StatusOr<spool::v1::PutEntryResponse> response) { ASSERT_TRUE(response.ok()); });
  TestParts replica(MakeConfig(absl::Hours(1), absl::ZeroDuration()), spool_, state_);
  ForwardRounds rounds(replica.parts(), Forwarding());
  WaitUntil([this] { return spool_.releases().size() == 1; });
}

TEST_F(RoundsTest, ForwardsOnceTheStoreIsBack) {
  spool_.SetQueueStatus(absl::UnavailableError("away"));
  TestParts replica(MakeConfig(absl::Hours(1), absl::ZeroDuration()), spool_, state_);
  ForwardRounds rounds(replica.parts(), Forwarding());
  WaitUntil([&replica] {
    return absl::StrContains(
        replica.MetricsText(),
        "turnpike_dequeue_requests_total{protocol=\"interval\",result=\"error\"} 2");
  });
  const size_t failed = spool_.releases().size();
  spool_.SetQueueStatus(absl::OkStatus());
  WaitUntil([this, failed] { return spool_.releases().size() > failed; });
}

TEST_F(RoundsTest, ForwardsNothingWhileSuspendedOrWithoutATarget) {
  const std::string key = SuspendedKey("a.example");
  Put(key);
  TestParts replica(MakeConfig(absl::Hours(1), absl::ZeroDuration()), spool_, state_);
  TestParts aimless(MakeConfig(absl::Hours(1), absl::ZeroDuration(), "requesting_host"), spool_,
                    state_);
  ForwardRounds rounds(replica.parts(), Forwarding());
  ForwardRounds aimless_rounds(aimless.parts(), Forwarding());
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_TRUE(spool_.releases().empty());
  Delete(key);
  replica.overrides().Forget();
  WaitUntil([this] { return spool_.releases().size() == 1; });
}

// [DQ-2]
TEST_F(RoundsTest, ReturnsWhatIsHeldForTooLong) {
  Hold("old", absl::Hours(49));
  Hold("older", absl::Hours(60));
  Hold("released", absl::Hours(60), /*hold=*/false);
  Hold("young", absl::Hours(47));
  TestParts replica(MakeConfig(absl::ZeroDuration(), absl::Hours(48)), spool_, state_);
  RetentionRounds rounds(replica.parts(), Retention());
  WaitUntil([this] { return Left() == "released@a.example young@a.example "; });
  WaitUntil([this] { return spool_.lease_streams().empty(); });
  // Two notifications, to the sender.
  int reports = 0;
  for (const spool::v1::Delivery& delivery : spool_.deliveries()) {
    if (delivery.queue().name() == "sender.example") ++reports;
  }
  EXPECT_EQ(reports, 2);
  EXPECT_TRUE(
      absl::StrContains(replica.MetricsText(), "turnpike_dequeue_expired_messages_total 2"));
}

TEST_F(RoundsTest, ReturnsOnlyWhereNobodyElseDoes) {
  Hold("old", absl::Hours(49));
  Put("retention/a.example");  // another replica's lock
  TestParts replica(MakeConfig(absl::ZeroDuration(), absl::Hours(48)), spool_, state_);
  RetentionRounds rounds(replica.parts(), Retention());
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(Left(), "old@a.example ");
  Delete("retention/a.example");
  WaitUntil([this] { return Left().empty(); });
}

TEST_F(RoundsTest, WhatCannotBeReturnedStaysHeld) {
  Hold("old", absl::Hours(49));
  spool_.SetSettleResult(absl::StatusOr<spool::v1::SettleOutcome>(absl::UnavailableError("away")));
  TestParts replica(MakeConfig(absl::ZeroDuration(), absl::Hours(48)), spool_, state_);
  RetentionRounds rounds(replica.parts(), Retention());
  WaitUntil([this] { return spool_.settlements().size() >= 2; });
  EXPECT_EQ(Left(), "old@a.example ");
  spool_.SetSettleResult(std::nullopt);
  WaitUntil([this] { return Left().empty(); });
}

}  // namespace
}  // namespace turnpike::dequeue
