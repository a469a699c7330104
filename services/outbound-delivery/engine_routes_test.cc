// Smart hosts, further hosts and fallbacks: which host gets what, and what is settled.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/engine.h"
#include "services/outbound-delivery/testing/delivery_fixture.h"

namespace turnpike::delivery {
namespace {

using ::testing::SizeIs;

constexpr auto kDelivered = spool::v1::DISPOSITION_DELIVERED;
constexpr auto kReturned = spool::v1::DISPOSITION_RETURNED;
constexpr auto kDelayed = spool::v1::DISPOSITION_DELAYED;

class EngineRoutesTest : public DeliveryFixture {
 protected:
  void SetSmartHost(config::v1::DeliveryMode mode, uint16_t port) {
    config::v1::Delivery* delivery = config_.mutable_delivery();
    delivery->set_mode(mode);
    delivery->mutable_smart_host()->set_host("127.0.0.1");
    delivery->mutable_smart_host()->set_port(port);
  }
  // Two MX hosts at one port.
  void SetTwoHosts(const SmtpPeer& first) {
    config_.mutable_delivery()->set_smtp_port(first.port());
    SetMx("far.example", {{10, "mx1.far.example"}, {20, "mx2.far.example"}});
    SetAddress("mx1.far.example", "127.0.0.2");
    SetAddress("mx2.far.example", "127.0.0.3");
  }
  // Answers commands that begin so with that.
  static SmtpPeer::Options Answering(const std::string& address, const std::string& command,
                                     const std::string& answer, uint16_t port = 0) {
    return {
        .address = address,
        .port = port,
        .script = [command, answer](int, const std::string& said) -> std::optional<std::string> {
          if (absl::StartsWith(said, command)) return answer;
          return std::nullopt;
        }};
  }
};

TEST_F(EngineRoutesTest, MailOfManyQueuesSharesTheSmartHostsConnection) {
  SmtpPeer relay({});
  SetSmartHost(config::v1::DELIVERY_MODE_SMART_HOST, relay.port());
  config_.mutable_delivery()->set_connections_per_destination_max(1);
  Start();
  for (int i = 0; i < 20; ++i) Send(absl::StrCat("bob@d", i, ".example"));
  WaitForSettlements(20);
  EXPECT_THAT(relay.messages(), SizeIs(20));
  EXPECT_EQ(relay.connections(), 1);
}

TEST_F(EngineRoutesTest, LoginComesBeforeMailAndItsRefusalOnlyDelays) {
  SmtpPeer::Options options = Answering("127.0.0.1", "AUTH PLAIN", "535 5.7.8 no");
  options.keywords = {"AUTH PLAIN"};
  SmtpPeer relay(std::move(options));
  SetSmartHost(config::v1::DELIVERY_MODE_SMART_HOST, relay.port());
  config::v1::Login* login = config_.mutable_delivery()->mutable_smart_host()->mutable_auth();
  login->set_username("us");
  login->set_password("secret");
  login->set_allow_cleartext(true);
  Start();
  Send("bob@far.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kDelayed);
  EXPECT_THAT(settlements[0].outcomes(0).reply().text(), ::testing::HasSubstr("535 5.7.8 no"));
  EXPECT_THAT(relay.messages(), SizeIs(0));
}

TEST_F(EngineRoutesTest, WhatNobodyCanBeFoundForGoesToTheSmartHostInTheSameAttempt) {
  SmtpPeer relay({});
  SetSmartHost(config::v1::DELIVERY_MODE_DIRECT_THEN_SMART_HOST, relay.port());
  SetMx("null.example", {{0, ""}});
  Start();
  Send("bob@unknown.example");
  EXPECT_EQ(WaitForSettlements(1)[0].outcomes(0).disposition(), kDelivered);
  Send("bob@null.example");
  EXPECT_EQ(WaitForSettlements(2)[1].outcomes(0).disposition(), kReturned);
  EXPECT_THAT(relay.messages(), SizeIs(1));
}

TEST_F(EngineRoutesTest, RefusedRecipientIsOfferedToTheNextHostAndTheOthersAreNot) {
  SmtpPeer first(Answering("127.0.0.2", "RCPT TO:<bad", "550 5.1.1 not here"));
  SmtpPeer second({.address = "127.0.0.3", .port = first.port()});
  SetTwoHosts(first);
  config_.mutable_delivery()->set_bounce_on_first_5xx(false);
  Start();
  Enqueue(MakeMessage({"good@far.example", "bad@far.example"}));
  const auto settlements = WaitForSettlements(1);
  ASSERT_EQ(settlements[0].outcomes_size(), 2);
  for (const spool::v1::RecipientOutcome& outcome : settlements[0].outcomes()) {
    EXPECT_EQ(outcome.disposition(), kDelivered);
  }
  EXPECT_THAT(settlements[0].outcomes(0).host(), ::testing::HasSubstr("mx1"));
  EXPECT_THAT(settlements[0].outcomes(1).host(), ::testing::HasSubstr("mx2"));
  ASSERT_THAT(first.messages(), SizeIs(1));
  EXPECT_THAT(first.messages()[0].recipients, SizeIs(1));
  ASSERT_THAT(second.messages(), SizeIs(1));
  EXPECT_THAT(second.messages()[0].recipients, SizeIs(1));
}

TEST_F(EngineRoutesTest, MailThatAllHostsRefusedIsReturnedWithTheBestHostsWords) {
  SmtpPeer first(Answering("127.0.0.2", "RCPT", "550 5.1.1 first says no"));
  SmtpPeer second(Answering("127.0.0.3", "RCPT", "550 5.1.1 second says no", first.port()));
  SetTwoHosts(first);
  config_.mutable_delivery()->set_bounce_on_first_5xx(false);
  Start();
  Send("bob@far.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kReturned);
  EXPECT_EQ(settlements[0].outcomes(0).reply().text(), "first says no");
  EXPECT_EQ(second.connections(), 1);
}

TEST_F(EngineRoutesTest, SmartHostsRefusalDelaysWhereThatIsWanted) {
  SmtpPeer relay(Answering("127.0.0.1", "RCPT", "550 5.7.1 no relaying"));
  SetSmartHost(config::v1::DELIVERY_MODE_SMART_HOST, relay.port());
  config_.mutable_delivery()->set_bounce_on_smart_host_5xx(false);
  Start();
  Send("bob@far.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kDelayed);
  EXPECT_EQ(settlements[0].outcomes(0).reply().code(), 550);
  EXPECT_TRUE(settlements[0].has_defer_until());
}

TEST_F(EngineRoutesTest, MailOfASuspendedGatewayIsHandedBackUntried) {
  SmtpPeer branch({});
  Start();
  spool::v1::PutEntryRequest request;
  request.set_key("gateway/home.example/suspended");
  shared_state_->Put(request, absl::InfiniteFuture(),
                     [](const auto& answer) { EXPECT_TRUE(answer.ok()) << answer.status(); });
  absl::SleepFor(absl::Milliseconds(1500));  // it is looked for about once a second
  spool::v1::NewMessage message = MakeMessage({"bob@home.example"});
  message.mutable_deliveries(0)->mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  Enqueue(std::move(message));
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_THAT(spool_->settlements(), SizeIs(0));
}

TEST_F(EngineRoutesTest, DrainLetsGoOfSessionsThatWaitForASlot) {
  config_.mutable_delivery()->set_connections_per_destination_max(1);
  SmtpPeer peer({.script = [](int, const std::string& said) -> std::optional<std::string> {
    if (said == ".") absl::SleepFor(absl::Milliseconds(300));
    return std::nullopt;
  }});
  SetLocalPeer(peer);
  Start();
  for (int i = 0; i < 5; ++i) Send("bob@local.example");
  EXPECT_TRUE(WaitFor([&] { return peer.connections() > 0; }));
  const absl::Time begin = absl::Now();
  Stop();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

}  // namespace
}  // namespace turnpike::delivery
