// Another configuration while sessions run. (PL-31)
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/net/testing/test_certificate.h"
#include "services/smtp-frontend/testing/test_frontend.h"
#include "services/smtp-frontend/testing/test_peer.h"

namespace turnpike::frontend {
namespace {

using testing::DefaultConfig;
using testing::TestFrontend;
using testing::TestPeer;

std::string Code(const std::string& reply) { return reply.substr(0, 3); }

std::string Send(TestPeer& peer) {
  peer.Ask("MAIL FROM:<s@else.example>");
  peer.Ask("RCPT TO:<a@gw.example>");
  peer.Ask("DATA");
  peer.Send("Subject: x\r\n\r\nHi.\r\n.\r\n");
  return peer.ReadReply();
}

TEST(ServerReloadTest, NewSessionsGoByTheNewValuesAndOthersByTheirs) {
  TestFrontend frontend;
  TestPeer before(frontend.AddressOf("mx"));
  EXPECT_TRUE(absl::StrContains(before.ReadReply(), "mx.example.com"));
  config::v1::Config config = DefaultConfig();
  config.set_hostname("other.example.com");
  config.mutable_smtp()->set_message_bytes_max(123456);
  ASSERT_TRUE(frontend.Reconfigure(config).ok());
  TestPeer after(frontend.AddressOf("mx"));
  EXPECT_TRUE(absl::StrContains(after.ReadReply(), "other.example.com"));
  EXPECT_TRUE(absl::StrContains(before.Ask("EHLO c"), "SIZE 20971520"));
  EXPECT_TRUE(absl::StrContains(after.Ask("EHLO c"), "SIZE 123456"));
  EXPECT_EQ(Code(Send(before)), "250");
  EXPECT_EQ(Code(Send(after)), "250");
}

TEST(ServerReloadTest, CertificateThatDoesNotMatchIsRefusedAndTheOldOneServes) {
  config::v1::Config config = DefaultConfig();
  testing::AddTls(&config);
  TestFrontend frontend(config);
  const auto other = net::testing::MakeCertificate("other", "mx.example.com");
  config::v1::Config mixed = config;
  mixed.mutable_smtp()->mutable_listeners(0)->mutable_tls()->set_key_file(other.key_file);
  const absl::Status status = frontend.Reconfigure(mixed);
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(absl::StrContains(status.message(), "listener mx")) << status;
  TestPeer peer(frontend.AddressOf("mx"));
  peer.ReadReply();
  peer.Ask("EHLO c");
  EXPECT_EQ(Code(peer.Ask("STARTTLS")), "220");
  EXPECT_TRUE(peer.StartTls());
}

TEST(ServerReloadTest, ListenersComeAndGoWhileSessionsGoOn) {
  TestFrontend frontend;
  const std::string odmr = frontend.AddressOf("odmr");
  const std::string mx = frontend.AddressOf("mx");
  TestPeer before(odmr);
  before.ReadReply();
  config::v1::Config config = DefaultConfig();
  config.mutable_smtp()->mutable_listeners()->DeleteSubrange(2, 1);
  config::v1::Listener* extra = config.mutable_smtp()->add_listeners();
  extra->set_name("extra");
  extra->set_role(config::v1::LISTENER_ROLE_SMTP);
  extra->set_listen("127.0.0.1:0");
  ASSERT_TRUE(frontend.Reconfigure(config).ok());
  EXPECT_EQ(frontend.AddressOf("mx"), mx);
  TestPeer after(frontend.AddressOf("extra"));
  after.ReadReply();
  after.Ask("EHLO c");
  EXPECT_EQ(Code(Send(after)), "250");
  EXPECT_EQ(Code(before.Ask("EHLO c")), "250");
  // Nobody has that address any more.
  TestFrontend other;
  config::v1::Config taking = DefaultConfig();
  taking.mutable_smtp()->mutable_listeners(0)->set_listen(odmr);
  EXPECT_TRUE(testing::Eventually([&] { return other.Reconfigure(taking).ok(); }));
}

TEST(ServerReloadTest, AddressThatCannotBeHadChangesNothing) {
  TestFrontend frontend;
  TestFrontend other;
  config::v1::Config config = DefaultConfig();
  config.set_hostname("other.example.com");
  config::v1::Listener* extra = config.mutable_smtp()->add_listeners();
  extra->set_name("extra");
  extra->set_role(config::v1::LISTENER_ROLE_SMTP);
  extra->set_listen(other.AddressOf("mx"));
  EXPECT_FALSE(frontend.Reconfigure(config).ok());
  TestPeer peer(frontend.AddressOf("mx"));
  EXPECT_TRUE(absl::StrContains(peer.ReadReply(), "mx.example.com"));
}

TEST(ServerReloadTest, LimitsHoldForConnectionsThatCome) {
  TestFrontend frontend;
  TestPeer before(frontend.AddressOf("mx"));
  before.ReadReply();
  config::v1::Config config = DefaultConfig();
  config.mutable_smtp()->set_connections_per_address_max(1);
  config.mutable_smtp()->set_connections_max(77);
  ASSERT_TRUE(frontend.Reconfigure(config).ok());
  TestPeer after(frontend.AddressOf("mx"));
  EXPECT_EQ(Code(after.ReadReply()), "421");
  EXPECT_EQ(Code(before.Ask("EHLO c")), "250");
  EXPECT_EQ(frontend.Metric("turnpike_smtp_connections_limit", "listener=\"mx\""), 77);
}

TEST(ServerReloadTest, CollectionsAreThoseOfTheNewConfiguration) {
  TestFrontend frontend;
  config::v1::Config config = DefaultConfig();
  config::v1::Collection* collection = config.add_collections();
  collection->set_name("provider");
  collection->set_host("127.0.0.1");
  collection->set_port(1);
  std::atomic<int> code = -1;
  const auto collect = [&] {
    code = -1;
    frontend.server().Collect("provider", "run", [&](absl::StatusOr<dequeue::v1::Run> run) {
      code = static_cast<int>(run.status().code());
    });
    EXPECT_TRUE(testing::Eventually([&] { return code >= 0; }));
    return static_cast<absl::StatusCode>(code.load());
  };
  EXPECT_EQ(collect(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(frontend.Reconfigure(config).ok());
  EXPECT_EQ(collect(), absl::StatusCode::kOk);
  ASSERT_TRUE(frontend.Reconfigure(DefaultConfig()).ok());
  EXPECT_EQ(collect(), absl::StatusCode::kNotFound);
}

TEST(ServerReloadTest, MailGoesOnUnderOneChangeAfterTheOther) {
  TestFrontend frontend;
  std::atomic<bool> is_over = false;
  std::atomic<int> taken = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!is_over) {
        TestPeer peer(frontend.AddressOf("mx"));
        peer.ReadReply();
        peer.Ask("EHLO c");
        for (int message = 0; message < 3; ++message) {
          EXPECT_EQ(Code(Send(peer)), "250");
          ++taken;
        }
        peer.Ask("QUIT");
      }
    });
  }
  config::v1::Config config = DefaultConfig();
  for (int i = 0; i < 200 || taken < 100; ++i) {
    config.mutable_smtp()->set_message_bytes_max(1'000'000 + i);
    EXPECT_TRUE(frontend.server().Reconfigure(config).ok());
  }
  is_over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(frontend.spool().messages().size(), static_cast<size_t>(taken));
}

// Clients behind a balancer, as loopback itself has no rate limits. (PL-6)
class ServerLimitsTest : public ::testing::Test {
 protected:
  static config::v1::Config Config() {
    config::v1::Config config = DefaultConfig();
    config.mutable_smtp()->mutable_proxy_header_timeout()->set_seconds(5);
    config.mutable_smtp()->mutable_listeners(0)->add_proxy_protocol_from("127.0.0.0/8");
    return config;
  }
  static void Introduce(TestPeer& peer, const std::string& client) {
    peer.Send(absl::StrCat("PROXY TCP4 ", client, " 192.0.2.1 4321 25\r\n"));
  }
};

TEST_F(ServerLimitsTest, ClientThatComesTooOftenGets421) {
  config::v1::Config config = Config();
  config.mutable_smtp()->set_connections_per_address_per_minute_max(3);
  TestFrontend frontend(config);
  const auto come = [&](const std::string& client) {
    TestPeer peer(frontend.AddressOf("mx"));
    Introduce(peer, client);
    return Code(peer.ReadReply());
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(come("192.0.2.7"), "220");
  EXPECT_EQ(come("192.0.2.7"), "421");
  EXPECT_EQ(come("192.0.2.8"), "220");
  EXPECT_EQ(
      frontend.Metric("turnpike_smtp_connections_refused_total", "listener=\"mx\",reason=\"rate\""),
      1);
}

TEST_F(ServerLimitsTest, RecipientsOfAClientWithoutLoginHaveALimit) {
  config::v1::Config config = Config();
  config.mutable_smtp()->set_unauthenticated_recipients_per_address_per_hour_max(3);
  config.add_trusted_networks("192.0.2.64/28");
  TestFrontend frontend(config);
  const auto name = [&](const std::string& client, bool logs_in) {
    TestPeer peer(frontend.AddressOf("mx"));
    Introduce(peer, client);
    peer.ReadReply();
    peer.Ask("EHLO c");
    if (logs_in) {
      EXPECT_EQ(Code(peer.Ask("AUTH PLAIN AGd3LmV4YW1wbGUAc2VjcmV0")), "235");
    }
    peer.Ask("MAIL FROM:<s@else.example>");
    std::string codes;
    for (int i = 0; i < 5; ++i) {
      absl::StrAppend(&codes, Code(peer.Ask(absl::StrCat("RCPT TO:<u", i, "@gw.example>"))), " ");
    }
    return codes;
  };
  EXPECT_EQ(name("192.0.2.7", false), "250 250 250 452 452 ");
  EXPECT_EQ(name("192.0.2.7", false), "452 452 452 452 452 ");
  EXPECT_EQ(name("192.0.2.8", false), "250 250 250 452 452 ");
  EXPECT_EQ(name("192.0.2.8", true), "250 250 250 250 250 ");
  EXPECT_EQ(name("192.0.2.65", false), "250 250 250 250 250 ");
  EXPECT_EQ(frontend.Metric("turnpike_smtp_rejections_total",
                            "class=\"4xx\",reason=\"rate\",stage=\"rcpt\""),
            9);
}

}  // namespace
}  // namespace turnpike::frontend
