// Domains whose DNS names the same host share its connections (DL-40).
#include <atomic>
#include <string>
#include <thread>
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

class EngineSharingTest : public DeliveryFixture {
 protected:
  EngineSharingTest() {
    config_.mutable_delivery()->mutable_idle_timeout()->set_seconds(10);
    SetAddress("mx.provider.example", "127.0.0.1");
  }

  // Domains `d0.example`, … of that host.
  void SetDomains(const SmtpPeer& peer, int count) {
    config_.mutable_delivery()->set_smtp_port(peer.port());
    for (int i = 0; i < count; ++i) SetMx(Domain(i), {{10, "mx.provider.example"}});
  }

  static std::string Domain(int i) { return absl::StrCat("d", i, ".example"); }

  // One message after the other; false if one is not delivered.
  bool SendEach(const std::vector<std::string>& domains) {
    const size_t before = spool_->settlements().size();
    for (size_t i = 0; i < domains.size(); ++i) {
      Send(absl::StrCat("bob@", domains[i]));
      const auto settlements = WaitForSettlements(before + i + 1);
      if (settlements.size() <= before + i) return false;
      if (settlements[before + i].outcomes(0).disposition() != kDelivered) return false;
    }
    return true;
  }
};

TEST_F(EngineSharingTest, DomainsOfOneHostShareAConnection) {
  SmtpPeer peer({});
  SetDomains(peer, 3);
  Start();
  EXPECT_TRUE(SendEach({Domain(0), Domain(1), Domain(2), Domain(0), Domain(0), Domain(1)}));
  EXPECT_THAT(peer.messages(), SizeIs(6));
  EXPECT_EQ(peer.connections(), 1);
}

TEST_F(EngineSharingTest, AnyOfSeveralEqualHostsIsGoodEnough) {
  SmtpPeer first({.address = "127.0.0.2"});
  SmtpPeer second({.address = "127.0.0.3", .port = first.port()});
  config_.mutable_delivery()->set_smtp_port(first.port());
  SetAddress("mx1.equal.example", "127.0.0.2");
  SetAddress("mx2.equal.example", "127.0.0.3");
  std::vector<std::string> domains;
  for (int i = 0; i < 10; ++i) {
    domains.push_back(Domain(i));
    SetMx(Domain(i), {{10, "mx1.equal.example"}, {10, "mx2.equal.example"}});
  }
  Start();
  EXPECT_TRUE(SendEach(domains));
  EXPECT_EQ(first.connections() + second.connections(), 1);
}

TEST_F(EngineSharingTest, BetterHostIsNotPassedOverForAnIdleOne) {
  SmtpPeer better({.address = "127.0.0.2"});
  SmtpPeer worse({.address = "127.0.0.3", .port = better.port()});
  config_.mutable_delivery()->set_smtp_port(better.port());
  SetAddress("better.example", "127.0.0.2");
  SetAddress("worse.example", "127.0.0.3");
  SetMx("d0.example", {{10, "worse.example"}});
  SetMx("d1.example", {{10, "better.example"}, {20, "worse.example"}});
  Start();
  EXPECT_TRUE(SendEach({"d0.example", "d1.example"}));
  EXPECT_THAT(better.messages(), SizeIs(1));
  EXPECT_THAT(worse.messages(), SizeIs(1));
}

TEST_F(EngineSharingTest, SharesOfMessagesHoldForAllDomainsTogether) {
  config_.mutable_delivery()->set_messages_per_connection_max(2);
  SmtpPeer peer({});
  SetDomains(peer, 6);
  Start();
  EXPECT_TRUE(SendEach({Domain(0), Domain(1), Domain(2), Domain(3), Domain(4), Domain(5)}));
  EXPECT_EQ(peer.connections(), 3);
}

TEST_F(EngineSharingTest, ConnectionThatThePeerHasClosedIsNotTakenOver) {
  SmtpPeer peer({});
  SetDomains(peer, 6);
  Start();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(SendEach({Domain(2 * i), Domain(2 * i + 1)}));
    peer.CloseAll();
  }
  EXPECT_EQ(peer.connections(), 3);
  EXPECT_THAT(peer.messages(), SizeIs(6));
}

TEST_F(EngineSharingTest, ConnectionThatBreaksAfterItWasTakenOverCostsNothing) {
  std::atomic<int> mails{0};
  SmtpPeer peer({.script = [&](int, const std::string& command) -> std::optional<std::string> {
    if (absl::StartsWith(command, "MAIL") && ++mails == 2) return SmtpPeer::kHangUp;
    return std::nullopt;
  }});
  SetDomains(peer, 2);
  Start();
  EXPECT_TRUE(SendEach({Domain(0), Domain(1)}));
  EXPECT_EQ(peer.connections(), 2);
}

TEST_F(EngineSharingTest, AnotherTlsDemandMeansAnotherConnection) {
  SmtpPeer peer({});
  SetDomains(peer, 2);
  config::v1::DeliveryRoute* route = config_.mutable_delivery()->add_routes();
  route->add_domains(Domain(1));
  route->set_tls(config::v1::DELIVERY_TLS_NONE);
  Start();
  EXPECT_TRUE(SendEach({Domain(0), Domain(1), Domain(0), Domain(1)}));
  EXPECT_EQ(peer.connections(), 2);
}

TEST_F(EngineSharingTest, DestinationWhoseConnectionWasTakenOpensAnother) {
  config_.mutable_delivery()->set_connections_per_destination_max(1);
  std::atomic<bool> may_answer{false};
  SmtpPeer peer({.script = [&](int, const std::string& command) -> std::optional<std::string> {
    if (!absl::StrContains(command, "slow@")) return std::nullopt;
    while (!may_answer) absl::SleepFor(absl::Milliseconds(1));
    return std::nullopt;
  }});
  SetDomains(peer, 2);
  Start();
  EXPECT_TRUE(SendEach({Domain(0)}));
  Send(absl::StrCat("slow@", Domain(1)));  // takes the connection, and has it for a while
  absl::SleepFor(absl::Milliseconds(50));
  Send(absl::StrCat("bob@", Domain(0)));
  WaitForSettlements(2);
  EXPECT_EQ(peer.connections(), 2);
  may_answer = true;
  WaitForSettlements(3);
  EXPECT_THAT(peer.messages(), SizeIs(3));
}

TEST_F(EngineSharingTest, DrainEndsConnectionsThatAreOnOffer) {
  SmtpPeer peer({});
  SetDomains(peer, 4);
  Start();
  EXPECT_TRUE(SendEach({Domain(0), Domain(1)}));
  const absl::Time begin = absl::Now();
  engine_->Drain(absl::Now() + absl::Seconds(8));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

// Sessions move between threads all the time.
TEST_F(EngineSharingTest, ManyDomainsAtOnceLoseAndRepeatNothing) {
  constexpr int kDomains = 20;
  constexpr int kMessages = 600;
  config_.mutable_delivery()->set_threads(4);
  config_.mutable_delivery()->mutable_idle_timeout()->set_seconds(0);
  config_.mutable_delivery()->mutable_idle_timeout()->set_nanos(3'000'000);
  SmtpPeer peer({});
  SetDomains(peer, kDomains);
  Start();
  for (int i = 0; i < kMessages; ++i) {
    Send(absl::StrCat("bob@", Domain(i * 7 % kDomains)));
    if (i % 10 == 9) absl::SleepFor(absl::Milliseconds(2));
  }
  const auto settlements = WaitForSettlements(kMessages);
  EXPECT_THAT(settlements, SizeIs(kMessages));
  for (const spool::v1::Settlement& settlement : settlements) {
    EXPECT_EQ(settlement.outcomes(0).disposition(), kDelivered);
  }
  EXPECT_THAT(peer.messages(), SizeIs(kMessages));
}

}  // namespace
}  // namespace turnpike::delivery
