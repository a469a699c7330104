// Many messages, several hosts, a store that goes away, the end: how work flows.
#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/engine.h"
#include "services/outbound-delivery/testing/delivery_fixture.h"

namespace turnpike::delivery {
namespace {

using ::testing::SizeIs;

using EngineFlowTest = DeliveryFixture;

constexpr auto kDelivered = spool::v1::DISPOSITION_DELIVERED;

TEST_F(EngineFlowTest, OneConnectionCarriesManyMessages) {
  config_.mutable_delivery()->set_connections_per_destination_max(1);
  SmtpPeer peer({});
  SetLocalPeer(peer);
  Start();
  for (int i = 0; i < 50; ++i) Send("bob@local.example");
  WaitForSettlements(50);
  EXPECT_THAT(peer.messages(), SizeIs(50));
  EXPECT_EQ(peer.connections(), 1);
}

TEST_F(EngineFlowTest, ConnectionEndsAfterItsShareOfMessages) {
  config_.mutable_delivery()->set_connections_per_destination_max(1);
  config_.mutable_delivery()->set_messages_per_connection_max(5);
  SmtpPeer peer({});
  SetLocalPeer(peer);
  Start();
  for (int i = 0; i < 20; ++i) Send("bob@local.example");
  WaitForSettlements(20);
  EXPECT_EQ(peer.connections(), 4);
}

TEST_F(EngineFlowTest, ConnectionsStayWithinTheLimit) {
  config_.mutable_delivery()->set_connections_per_destination_max(3);
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  SmtpPeer peer({.script = [&](int, const std::string& command) -> std::optional<std::string> {
    if (command == "greeting") {
      const int open = ++now;
      int seen = most;
      while (open > seen && !most.compare_exchange_weak(seen, open)) continue;
    }
    if (command == ".") absl::SleepFor(absl::Milliseconds(5));
    if (command == "QUIT") --now;
    return std::nullopt;
  }});
  SetLocalPeer(peer);
  Start();
  for (int i = 0; i < 60; ++i) Send("bob@local.example");
  WaitForSettlements(60);
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
}

TEST_F(EngineFlowTest, IdleConnectionTakesWhatComesNext) {
  config_.mutable_delivery()->mutable_idle_timeout()->set_seconds(10);
  SmtpPeer peer({});
  SetLocalPeer(peer);
  Start();
  for (size_t i = 1; i <= 3; ++i) {
    Send("bob@local.example");
    WaitForSettlements(i);
  }
  EXPECT_EQ(peer.connections(), 1);
}

TEST_F(EngineFlowTest, ConnectionThatThePeerClosedWhileIdleCostsNothing) {
  config_.mutable_delivery()->mutable_idle_timeout()->set_seconds(10);
  std::atomic<int> mails{0};
  SmtpPeer peer({.script = [&](int, const std::string& command) -> std::optional<std::string> {
    // As if the peer had closed while the connection was idle.
    if (absl::StartsWith(command, "MAIL") && ++mails == 2) return SmtpPeer::kHangUp;
    return std::nullopt;
  }});
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  WaitForSettlements(1);
  Send("bob@local.example");
  const auto settlements = WaitForSettlements(2);
  EXPECT_EQ(settlements[1].outcomes(0).disposition(), kDelivered);
  EXPECT_EQ(peer.connections(), 2);
}

TEST_F(EngineFlowTest, MxHostsAreTriedInOrder) {
  SmtpPeer second({.address = "127.0.0.3"});
  SmtpPeer third({.address = "127.0.0.4", .port = second.port()});
  config_.mutable_delivery()->set_smtp_port(second.port());
  SetMx("far.example", {{30, "mx3.far.example"}, {10, "mx1.far.example"}, {20, "mx2.far.example"}});
  SetAddress("mx1.far.example", "127.0.0.2");  // nobody listens
  SetAddress("mx2.far.example", "127.0.0.3");
  SetAddress("mx3.far.example", "127.0.0.4");
  Start();
  Send("bob@far.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kDelivered);
  EXPECT_EQ(settlements[0].outcomes(0).host(),
            absl::StrCat("mx2.far.example [127.0.0.3]:", second.port()));
  EXPECT_THAT(second.messages(), SizeIs(1));
  EXPECT_EQ(third.connections(), 0);
}

struct BusyCase {
  std::string command;
  std::string answer;
};

class BusyHostTest : public DeliveryFixture, public ::testing::WithParamInterface<BusyCase> {};

TEST_P(BusyHostTest, LeadsToTheNextHost) {
  const BusyCase& busy = GetParam();
  SmtpPeer first({.address = "127.0.0.2",
                  .script = [&](int, const std::string& said) -> std::optional<std::string> {
                    if (absl::StartsWith(said, busy.command)) return busy.answer;
                    return std::nullopt;
                  }});
  SmtpPeer second({.address = "127.0.0.3", .port = first.port()});
  config_.mutable_delivery()->set_smtp_port(first.port());
  SetMx("far.example", {{10, "mx1.far.example"}, {20, "mx2.far.example"}});
  SetAddress("mx1.far.example", "127.0.0.2");
  SetAddress("mx2.far.example", "127.0.0.3");
  Start();
  Send("bob@far.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kDelivered);
  EXPECT_EQ(first.connections(), 1);
  EXPECT_THAT(second.messages(), SizeIs(1));
}

INSTANTIATE_TEST_SUITE_P(Stages, BusyHostTest,
                         ::testing::Values(BusyCase{"greeting", "421 4.3.2 Busy"},
                                           BusyCase{"greeting", SmtpPeer::kHangUp},
                                           BusyCase{"EHLO", "421 4.3.2 Busy"},
                                           BusyCase{"MAIL", "421 4.3.2 Busy"},
                                           BusyCase{"MAIL", SmtpPeer::kHangUp},
                                           BusyCase{"DATA", SmtpPeer::kHangUp}));

TEST_F(EngineFlowTest, PermanentRefusalOfAHostEndsIt) {
  SmtpPeer first({.address = "127.0.0.2",
                  .script = [](int, const std::string& said) -> std::optional<std::string> {
                    if (said == "greeting") return "554 5.7.1 Not from there";
                    return std::nullopt;
                  }});
  SmtpPeer second({.address = "127.0.0.3", .port = first.port()});
  config_.mutable_delivery()->set_smtp_port(first.port());
  SetMx("far.example", {{10, "mx1.far.example"}, {20, "mx2.far.example"}});
  SetAddress("mx1.far.example", "127.0.0.2");
  SetAddress("mx2.far.example", "127.0.0.3");
  Start();
  Send("bob@far.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_RETURNED);
  EXPECT_EQ(second.connections(), 0);
}

TEST_F(EngineFlowTest, NullMxAndUnknownDomainAreReturnedAtOnce) {
  SetMx("null.example", {{0, ""}});
  Start();
  Send("bob@null.example");
  EXPECT_EQ(WaitForSettlements(1)[0].outcomes(0).reply().enhanced_code(), "5.1.10");
  Send("bob@unknown.example");
  EXPECT_EQ(WaitForSettlements(2)[1].outcomes(0).reply().enhanced_code(), "5.1.2");
}

TEST_F(EngineFlowTest, UnreachableDestinationFailsAllWithOneAttempt) {
  {
    SmtpPeer gone({});
    SetLocalPeer(gone);
  }
  Start();
  for (int i = 0; i < 40; ++i) Send("bob@local.example");
  const auto settlements = WaitForSettlements(40);
  for (const spool::v1::Settlement& settlement : settlements) {
    EXPECT_EQ(settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_DELAYED);
    EXPECT_EQ(settlement.outcomes(0).reply().enhanced_code(), "4.4.1");
  }
}

TEST_F(EngineFlowTest, SlowDestinationDoesNotHoldUpAnother) {
  SmtpPeer slow({.is_lmtp = true,
                 .script = [](int, const std::string& command) -> std::optional<std::string> {
                   if (command == "greeting") return SmtpPeer::kSilence;
                   return std::nullopt;
                 }});
  SmtpPeer quick({});
  SetLmtpPeer(slow);
  SetLocalPeer(quick);
  Start();
  for (int i = 0; i < 200; ++i) Send("bob@lmtp.example");
  for (int i = 0; i < 20; ++i) Send("bob@local.example");
  EXPECT_TRUE(WaitFor([&] { return quick.messages().size() == 20; }));
}

TEST_F(EngineFlowTest, ReleasedGatewayMailGoesWhereTheReleaseSays) {
  SmtpPeer peer({});
  Start();
  spool::v1::NewMessage message = MakeMessage({"bob@home.example"});
  message.mutable_deliveries(0)->mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  message.mutable_deliveries(0)->set_hold(true);
  Enqueue(message);
  spool::v1::ReleaseQueueRequest release;
  release.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  release.mutable_queue()->set_name("home.example");
  release.mutable_route()->set_address("127.0.0.1");
  release.mutable_route()->set_port(peer.port());
  spool_->ReleaseQueue(release, absl::Now() + absl::Seconds(5), [](const auto&) {});
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kDelivered);
  EXPECT_THAT(peer.messages(), SizeIs(1));
}

TEST_F(EngineFlowTest, StoreThatComesBackGetsItsMailDelivered) {
  SmtpPeer peer({});
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  WaitForSettlements(1);
  spool_->BreakStreams(absl::UnavailableError("away"));
  Send("bob@local.example");
  WaitForSettlements(2);
  EXPECT_THAT(peer.messages(), SizeIs(2));
}

TEST_F(EngineFlowTest, MailOnAConnectionIsNotSentTwiceWhenTheStreamBreaks) {
  std::atomic<bool> may_answer{false};
  SmtpPeer peer({.script = [&](int, const std::string& command) -> std::optional<std::string> {
    while (command == "." && !may_answer) absl::SleepFor(absl::Milliseconds(1));
    return std::nullopt;
  }});
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  ASSERT_TRUE(WaitFor([&] { return peer.connections() == 1; }));
  absl::SleepFor(absl::Milliseconds(50));
  spool_->BreakStreams(absl::UnavailableError("away"));
  // Leased again while the first attempt waits for its answer.
  ASSERT_TRUE(WaitFor([&] {
    return spool_->lease_streams().size() == 1 && spool_->deliveries().size() == 1 &&
           spool_->deliveries()[0].state() == spool::v1::DELIVERY_STATE_LEASED;
  }));
  may_answer = true;
  EXPECT_TRUE(WaitFor([&] { return spool_->deliveries().empty(); }));
  EXPECT_THAT(peer.messages(), SizeIs(1));
}

// Another worker of the same store.
class OtherWorker : public spool::LeaseStream::Handler {
 public:
  void OnLeased(spool::v1::LeaseResponse response) override {
    absl::MutexLock lock(&mu_);
    for (const auto& delivery : response.deliveries()) tokens_.push_back(delivery.token());
  }
  void OnClosed(absl::Status) override {}
  std::vector<spool::v1::LeaseToken> tokens() {
    absl::MutexLock lock(&mu_);
    return tokens_;
  }

 private:
  absl::Mutex mu_;
  std::vector<spool::v1::LeaseToken> tokens_ ABSL_GUARDED_BY(mu_);
};

TEST_F(EngineFlowTest, MailThatAnotherWorkerHasSinceIsNotTriedOnAnotherConnection) {
  std::atomic<bool> may_hang_up{false};
  SmtpPeer peer(
      {.script = [&](int connection, const std::string& command) -> std::optional<std::string> {
        if (connection > 1 || !absl::StartsWith(command, "MAIL")) return std::nullopt;
        while (!may_hang_up) absl::SleepFor(absl::Milliseconds(1));
        return SmtpPeer::kHangUp;
      }});
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  ASSERT_TRUE(WaitFor([&] { return peer.connections() == 1; }));
  spool_->SetLeaseStatus(absl::UnavailableError("away"));
  spool_->BreakStreams(absl::UnavailableError("away"));
  absl::SleepFor(absl::Milliseconds(400));  // it asks less and less often
  spool_->SetLeaseStatus(absl::OkStatus());
  auto other = std::make_shared<OtherWorker>();
  spool::v1::LeaseOpen open;
  open.mutable_due();
  const auto stream = spool_->OpenLease(open, other);
  stream->AddCredit(1);
  ASSERT_TRUE(WaitFor([&] { return other->tokens().size() == 1; }));
  ASSERT_TRUE(WaitFor([&] { return spool_->lease_streams().size() == 2; }));

  may_hang_up = true;
  absl::SleepFor(absl::Milliseconds(500));
  EXPECT_THAT(peer.messages(), SizeIs(0));
  stream->HandBack(other->tokens()[0]);
  EXPECT_TRUE(WaitFor([&] { return spool_->deliveries().empty(); }));
  EXPECT_THAT(peer.messages(), SizeIs(1));
}

TEST_F(EngineFlowTest, MailThatIsDueAgainBeforeItsSettlementIsAnsweredIsNotForgotten) {
  std::atomic<bool> may_answer{false};
  std::atomic<int> asked{0};
  SmtpPeer peer({.script = [&](int, const std::string& command) -> std::optional<std::string> {
    if (!absl::StartsWith(command, "RCPT") || asked++ > 0) return std::nullopt;
    while (!may_answer) absl::SleepFor(absl::Milliseconds(1));
    return "451 4.7.1 Later";
  }});
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  spool_->HoldAnswers();
  may_answer = true;
  ASSERT_TRUE(WaitFor([&] { return spool_->settlements().size() == 1; }));
  spool::v1::UpdateDeliveryRequest request;
  request.set_delivery_id(spool_->deliveries()[0].delivery_id());
  request.set_make_due(true);
  ASSERT_TRUE(spool_->UpdateDelivery(request).ok());
  ASSERT_EQ(spool_->deliveries()[0].state(), spool::v1::DELIVERY_STATE_LEASED);
  spool_->ReleaseAnswers();
  EXPECT_TRUE(WaitFor([&] { return spool_->deliveries().empty(); }));
  EXPECT_THAT(peer.messages(), SizeIs(1));
}

TEST_F(EngineFlowTest, DrainFinishesWhatIsOnAConnectionAndHandsBackTheRest) {
  config_.mutable_delivery()->set_connections_per_destination_max(1);
  SmtpPeer peer({.script = [](int, const std::string& command) -> std::optional<std::string> {
    if (command == ".") absl::SleepFor(absl::Milliseconds(100));
    return std::nullopt;
  }});
  SetLocalPeer(peer);
  Start();
  for (int i = 0; i < 10; ++i) Send("bob@local.example");
  ASSERT_TRUE(WaitFor([&] { return !peer.messages().empty(); }));
  engine_->Drain(absl::Now() + absl::Seconds(10));
  const size_t delivered = peer.messages().size();
  EXPECT_LT(delivered, 10u);
  const auto left = spool_->deliveries();
  EXPECT_EQ(left.size(), 10 - delivered);
  for (const spool::v1::Delivery& delivery : left) {
    EXPECT_EQ(delivery.state(), spool::v1::DELIVERY_STATE_READY);
    EXPECT_EQ(delivery.attempts(), 0);
  }
}

TEST_F(EngineFlowTest, DrainCutsConnectionsAtItsDeadline) {
  SmtpPeer peer({.script = [](int, const std::string& command) -> std::optional<std::string> {
    if (absl::StartsWith(command, "MAIL")) return SmtpPeer::kSilence;
    return std::nullopt;
  }});
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  ASSERT_TRUE(WaitFor([&] { return peer.connections() == 1; }));
  absl::SleepFor(absl::Milliseconds(50));
  const absl::Time begin = absl::Now();
  engine_->Drain(absl::Now() + absl::Milliseconds(100));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  EXPECT_THAT(spool_->deliveries(), SizeIs(1));
}

TEST_F(EngineFlowTest, DestinationsAreShown) {
  SmtpPeer peer({.script = [](int, const std::string& command) -> std::optional<std::string> {
    if (absl::StartsWith(command, "MAIL")) return SmtpPeer::kSilence;
    return std::nullopt;
  }});
  SetLocalPeer(peer);
  Start();
  for (int i = 0; i < 10; ++i) Send("bob@local.example");
  ASSERT_TRUE(WaitFor([&] { return peer.connections() >= 1; }));
  const auto views = engine_->worker().Destinations("", 10);
  ASSERT_THAT(views, SizeIs(1));
  EXPECT_EQ(views[0].queue.name(), "local.example");
  EXPECT_GE(views[0].sessions, 1u);
}

}  // namespace
}  // namespace turnpike::delivery
