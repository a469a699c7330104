// Another configuration while mail is on its way. (PL-31)
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/engine.h"
#include "services/outbound-delivery/testing/delivery_fixture.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr auto kDelivered = spool::v1::DISPOSITION_DELIVERED;

class EngineReloadTest : public DeliveryFixture {
 protected:
  void SetSmartHost(uint16_t port) {
    config::v1::Delivery* delivery = config_.mutable_delivery();
    delivery->set_mode(config::v1::DELIVERY_MODE_SMART_HOST);
    delivery->mutable_smart_host()->set_host("127.0.0.1");
    delivery->mutable_smart_host()->set_port(port);
    delivery->mutable_idle_timeout()->set_seconds(60);
  }
  void SetLogin(const std::string& password) {
    config::v1::Login* login = config_.mutable_delivery()->mutable_smart_host()->mutable_auth();
    login->set_username("us");
    login->set_password(password);
    login->set_allow_cleartext(true);
  }
};

TEST_F(EngineReloadTest, ConnectionOfAnEarlierLoginCarriesNoNewMail) {
  absl::Mutex mu;
  std::vector<std::string> logins;
  SmtpPeer::Options options;
  options.keywords = {"AUTH PLAIN"};
  options.script = [&](int, const std::string& said) -> std::optional<std::string> {
    if (!absl::StartsWith(said, "AUTH PLAIN ")) return std::nullopt;
    absl::MutexLock lock(&mu);
    logins.push_back(said.substr(11));
    return "235 2.7.0 ok";
  };
  SmtpPeer relay(std::move(options));
  SetSmartHost(relay.port());
  config_.mutable_delivery()->set_connections_per_destination_max(1);
  SetLogin("old");
  Start();
  Send("bob@far.example");
  WaitForSettlements(1);
  Send("bob@far.example");
  WaitForSettlements(2);
  EXPECT_EQ(relay.connections(), 1);  // it waits for more

  SetLogin("new");
  ASSERT_TRUE(engine_->Reconfigure(config_).ok());
  Send("bob@far.example");
  WaitForSettlements(3);
  EXPECT_EQ(relay.connections(), 2);
  absl::MutexLock lock(&mu);
  EXPECT_THAT(logins, ElementsAre("AHVzAG9sZA==", "AHVzAG5ldw=="));
}

TEST_F(EngineReloadTest, WhatIsOnAConnectionIsFinishedAndWhatWaitsGoesTheNewWay) {
  absl::Notification is_sent;
  absl::Notification may_answer;
  SmtpPeer::Options options;
  options.script = [&](int, const std::string& said) -> std::optional<std::string> {
    if (said != ".") return std::nullopt;
    is_sent.Notify();
    may_answer.WaitForNotification();
    return std::nullopt;
  };
  SmtpPeer before(std::move(options));
  SmtpPeer after({});
  SetSmartHost(before.port());
  config_.mutable_delivery()->set_connections_per_destination_max(1);
  Start();
  Send("first@far.example");
  is_sent.WaitForNotification();
  for (int i = 0; i < 5; ++i) Send(absl::StrCat("later@d", i, ".example"));

  SetSmartHost(after.port());
  ASSERT_TRUE(engine_->Reconfigure(config_).ok());
  WaitForSettlements(5);
  EXPECT_THAT(after.messages(), SizeIs(5));
  may_answer.Notify();
  const auto settlements = WaitForSettlements(6);
  EXPECT_THAT(before.messages(), SizeIs(1));
  for (const spool::v1::Settlement& settlement : settlements) {
    EXPECT_EQ(settlement.outcomes(0).disposition(), kDelivered);
  }
  EXPECT_TRUE(WaitFor([&] { return spool_->deliveries().empty(); }));
}

TEST_F(EngineReloadTest, WhatIsNoChangeForUsLeavesConnectionsAlone) {
  SmtpPeer relay({});
  SetSmartHost(relay.port());
  Start();
  Send("bob@far.example");
  WaitForSettlements(1);
  config_.mutable_smtp()->set_connections_max(7);
  config_.mutable_log()->set_level(config::v1::LOG_LEVEL_DEBUG);
  ASSERT_TRUE(engine_->Reconfigure(config_).ok());
  Send("bob@far.example");
  WaitForSettlements(2);
  EXPECT_EQ(relay.connections(), 1);
}

TEST_F(EngineReloadTest, WhatCannotBeTakenLeavesEverythingAsItWas) {
  SmtpPeer relay({});
  SmtpPeer other({});
  SetSmartHost(relay.port());
  Start();
  Send("bob@far.example");
  WaitForSettlements(1);
  const config::v1::Config good = config_;
  SetSmartHost(other.port());
  config_.mutable_dns()->add_servers("no address");
  EXPECT_FALSE(engine_->Reconfigure(config_).ok());
  config_ = good;
  SetSmartHost(other.port());
  config_.mutable_delivery()->set_authorities_file("/nonexistent/authorities.pem");
  EXPECT_FALSE(engine_->Reconfigure(config_).ok());
  Send("bob@far.example");
  WaitForSettlements(2);
  EXPECT_EQ(relay.connections(), 1);
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(EngineReloadTest, NewNameServersAreAsked) {
  SmtpPeer peer({.address = "127.0.0.2"});
  config_.mutable_delivery()->set_smtp_port(peer.port());
  SetMx("far.example", {{10, "mx1.far.example"}});
  SetAddress("mx1.far.example", "127.0.0.2");
  const std::string servers = config_.dns().servers(0);
  config_.mutable_dns()->set_servers(0, "127.0.0.1:1");  // nobody is there
  config_.mutable_dns()->mutable_timeout()->set_seconds(1);
  Start();
  Send("bob@far.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_DELAYED);
  config_.mutable_dns()->set_servers(0, servers);
  ASSERT_TRUE(engine_->Reconfigure(config_).ok());
  Send("bob@far.example");
  WaitForSettlements(2);
  EXPECT_THAT(peer.messages(), SizeIs(1));
}

TEST_F(EngineReloadTest, MailGoesOnUnderOneChangeAfterTheOther) {
  SmtpPeer relay({});
  SmtpPeer other({});
  SetSmartHost(relay.port());
  Start();
  for (int i = 0; i < 100; ++i) {
    Send(absl::StrCat("bob@d", i % 7, ".example"));
    SetSmartHost(i % 2 == 0 ? other.port() : relay.port());
    config_.mutable_dns()->mutable_timeout()->set_nanos(i * 1'000'000);
    config_.mutable_delivery()->set_leases_max(50 + i);
    ASSERT_TRUE(engine_->Reconfigure(config_).ok());
  }
  EXPECT_TRUE(WaitFor([&] { return spool_->deliveries().empty(); }));
  EXPECT_EQ(relay.messages().size() + other.messages().size(), 100u);
}

}  // namespace
}  // namespace turnpike::delivery
