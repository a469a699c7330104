// AUTH, STARTTLS, ETRN, and what ends a session from our side.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/smtp-frontend/testing/test_frontend.h"
#include "services/smtp-frontend/testing/test_peer.h"

namespace turnpike::frontend {
namespace {

using testing::AddTls;
using testing::DefaultConfig;
using testing::Eventually;
using testing::TestFrontend;
using testing::TestPeer;

constexpr absl::string_view kContent = "Subject: one\r\n\r\nline\r\n";

std::string Code(const std::string& reply) { return reply.substr(0, 3); }

std::string Plain(absl::string_view password) {
  return absl::Base64Escape(absl::StrCat(absl::string_view("\0gw.example\0", 12), password));
}

void Greet(TestPeer& peer) {
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "250");
}

TEST(AuthTest, LoginIsKnownToThePolicyFromThenOn) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("submission"));
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_TRUE(absl::StrContains(peer.Ask("EHLO c"), "AUTH PLAIN"));
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<s@gw.example>")), "530");
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN " + Plain("secret"))), "235");
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<s@gw.example>")), "250");
  EXPECT_EQ(Code(peer.Ask("RCPT TO:<x@elsewhere.example>")), "250");
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  EXPECT_EQ(Code(peer.Ask(absl::StrCat(kContent, "."))), "250");
  const spool::v1::NewMessage message = frontend.spool().messages()[0];
  EXPECT_EQ(message.client().account(), "gw.example");
  EXPECT_EQ(message.client().protocol(), "ESMTPA");
  EXPECT_EQ(message.deliveries(0).queue().kind(), spool::v1::QUEUE_KIND_REMOTE);
  EXPECT_EQ(
      frontend.Metric("turnpike_smtp_auth_attempts_total", "mechanism=\"PLAIN\",result=\"ok\""), 1);
}

TEST(AuthTest, ResponseAfterAChallengeIsPassedOn) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(peer.Ask("AUTH PLAIN"), "334 ");
  EXPECT_EQ(Code(peer.Ask(Plain("secret"))), "235");
}

TEST(AuthTest, CancelledExchangeIsToldToThePolicy) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(peer.Ask("AUTH PLAIN"), "334 ");
  EXPECT_EQ(Code(peer.Ask("*")), "501");
  EXPECT_EQ(Code(peer.Ask("NOOP")), "250");
  EXPECT_TRUE(frontend.policy().questions().back().has_auth_cancel());
}

TEST(AuthTest, ThirdFailureEndsTheSession) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN " + Plain("wrong"))), "535");
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN " + Plain("wrong"))), "535");
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN " + Plain("wrong"))), "535");
  EXPECT_EQ(Code(peer.ReadReply()), "421");
  EXPECT_TRUE(peer.IsAtEnd());
}

TEST(StartTlsTest, WhatWasSaidInClearIsForgotten) {
  config::v1::Config config = DefaultConfig();
  AddTls(&config);
  TestFrontend frontend(config);
  TestPeer peer(frontend.AddressOf("mx"));
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_TRUE(absl::StrContains(peer.Ask("EHLO c"), "STARTTLS"));
  // A command in the same segment must not be taken as one under TLS.
  peer.Send("STARTTLS\r\nMAIL FROM:<evil@else.example>\r\n");
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  ASSERT_TRUE(peer.StartTls());
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<s@else.example>")), "503");
  EXPECT_FALSE(absl::StrContains(peer.Ask("EHLO c"), "STARTTLS"));
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<s@else.example>")), "250");
  EXPECT_EQ(Code(peer.Ask("RCPT TO:<a@gw.example>")), "250");
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  EXPECT_EQ(Code(peer.Ask(absl::StrCat(kContent, "."))), "250");
  const spool::v1::NewMessage message = frontend.spool().messages()[0];
  EXPECT_EQ(message.client().protocol(), "ESMTPS");
  EXPECT_EQ(message.client().tls_protocol(), "TLSv1.3");
  EXPECT_TRUE(absl::StrContains(message.inline_content(), "with ESMTPS (TLSv1.3 TLS_"));
  EXPECT_TRUE(frontend.policy().questions().back().facts().tls());
}

TEST(StartTlsTest, ImplicitTlsComesFirst) {
  config::v1::Config config = DefaultConfig();
  AddTls(&config);
  config.mutable_smtp()->mutable_listeners(1)->set_implicit_tls(true);
  TestFrontend frontend(config);
  TestPeer peer(frontend.AddressOf("submission"));
  ASSERT_TRUE(peer.StartTls());
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "250");
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN " + Plain("secret"))), "235");
}

TEST(StartTlsTest, NonsenseInsteadOfAHandshakeEndsTheSession) {
  config::v1::Config config = DefaultConfig();
  AddTls(&config);
  TestFrontend frontend(config);
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(Code(peer.Ask("STARTTLS")), "220");
  peer.Send("QUIT\r\n");
  EXPECT_FALSE(absl::StrContains(peer.ReadTo("never"), "221"));
  EXPECT_TRUE(Eventually([&] {
    return frontend.Metric("turnpike_smtp_tls_handshakes_total",
                           "listener=\"mx\",protocol=\"none\",result=\"error\"") == 1;
  }));
}

TEST(EtrnTest, GatewayDequeueWordsTheReply) {
  TestFrontend frontend;
  dequeue::v1::RequestEtrnResponse response;
  response.mutable_reply()->set_code(253);
  response.mutable_reply()->set_enhanced_code("2.0.0");
  response.mutable_reply()->set_text("OK, 7 pending messages for node gw.example started");
  frontend.dequeue().SetEtrnResponse(response);
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN " + Plain("secret"))), "235");
  EXPECT_EQ(peer.Ask("ETRN @GW.example"),
            "253 2.0.0 OK, 7 pending messages for node gw.example started");
  EXPECT_EQ(Code(peer.Ask("NOOP")), "250");  // one line was all
  const dequeue::v1::RequestEtrnRequest request = frontend.dequeue().etrn_requests()[0];
  EXPECT_EQ(request.form(), dequeue::v1::ETRN_FORM_SUBDOMAINS);
  EXPECT_EQ(request.name(), "gw.example");
  EXPECT_EQ(request.asker().gateway_login(), "gw.example");
  EXPECT_EQ(request.asker().account_login(), "");
  EXPECT_EQ(request.asker().client_address(), "127.0.0.1");
  EXPECT_EQ(request.asker().listener(), "mx");
}

TEST(EtrnTest, GatewayDequeueThatIsAwayIs458) {
  TestFrontend frontend;
  frontend.dequeue().SetEtrnResponse(absl::UnavailableError("away"));
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(Code(peer.Ask("ETRN gw.example")), "458");
  EXPECT_EQ(Code(peer.Ask("NOOP")), "250");
}

TEST(LimitsTest, SilentClientIsSentAway) {
  config::v1::Config config = DefaultConfig();
  config.mutable_smtp()->mutable_idle_timeout()->set_seconds(0);
  config.mutable_smtp()->mutable_idle_timeout()->set_nanos(200'000'000);
  TestFrontend frontend(config);
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(peer.ReadReply(), "421 4.4.2 Timeout");
  EXPECT_TRUE(peer.IsAtEnd());
}

TEST(LimitsTest, OctetsThatDripDoNotKeepASessionOpen) {
  config::v1::Config config = DefaultConfig();
  config.mutable_smtp()->mutable_idle_timeout()->set_seconds(0);
  config.mutable_smtp()->mutable_idle_timeout()->set_nanos(300'000'000);
  TestFrontend frontend(config);
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  const absl::Time begin = absl::Now();
  while (peer.IsSilentFor(50) && absl::Now() - begin < absl::Seconds(5)) peer.Send("N");
  EXPECT_EQ(Code(peer.ReadReply()), "421");
  EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
}

TEST(LimitsTest, ConnectionPastTheShareOfAClientIsRefused) {
  config::v1::Config config = DefaultConfig();
  config.mutable_smtp()->set_connections_per_address_max(2);
  TestFrontend frontend(config);
  TestPeer first(frontend.AddressOf("mx"));
  auto second = std::make_unique<TestPeer>(frontend.AddressOf("odmr"));
  Greet(first);
  Greet(*second);
  TestPeer third(frontend.AddressOf("mx"));
  EXPECT_EQ(third.ReadReply(), "421 4.7.0 Too many connections");
  EXPECT_TRUE(third.IsAtEnd());
  second.reset();
  ASSERT_TRUE(Eventually([&] { return frontend.server().session_count() == 1; }));
  TestPeer fourth(frontend.AddressOf("mx"));
  Greet(fourth);
  EXPECT_EQ(frontend.Metric("turnpike_smtp_connections_refused_total",
                            "listener=\"mx\",reason=\"address_limit\""),
            1);
}

TEST(DrainTest, IdleClientsAreSentAwayAndTransactionsEnd) {
  TestFrontend frontend;
  TestPeer idle(frontend.AddressOf("mx"));
  TestPeer busy(frontend.AddressOf("mx"));
  Greet(idle);
  Greet(busy);
  EXPECT_EQ(Code(busy.Ask("MAIL FROM:<s@else.example>")), "250");
  std::thread drain([&] { frontend.server().Drain(absl::Now() + absl::Seconds(10)); });
  EXPECT_EQ(idle.ReadReply(), "421 4.3.2 Service shutting down");
  EXPECT_TRUE(idle.IsAtEnd());
  EXPECT_EQ(Code(busy.Ask("RCPT TO:<a@gw.example>")), "250");
  EXPECT_EQ(Code(busy.Ask("DATA")), "354");
  EXPECT_EQ(Code(busy.Ask(absl::StrCat(kContent, "."))), "250");
  EXPECT_EQ(Code(busy.ReadReply()), "421");
  EXPECT_TRUE(busy.IsAtEnd());
  drain.join();
  EXPECT_EQ(frontend.server().session_count(), 0u);
  EXPECT_EQ(frontend.spool().messages().size(), 1u);
}

TEST(DrainTest, TransactionThatDoesNotEndIsCutOffInTime) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<s@else.example>")), "250");
  const absl::Time begin = absl::Now();
  frontend.server().Drain(absl::Now() + absl::Milliseconds(200));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
  EXPECT_TRUE(peer.IsAtEnd());
}

TEST(DrainTest, ManySessionsAreDrainedAtOnce) {
  TestFrontend frontend;
  std::vector<std::unique_ptr<TestPeer>> peers;
  for (int i = 0; i < 200; ++i) {
    peers.push_back(std::make_unique<TestPeer>(frontend.AddressOf("mx")));
    EXPECT_EQ(Code(peers.back()->ReadReply()), "220");
  }
  frontend.server().Drain(absl::Now() + absl::Seconds(10));
  EXPECT_EQ(frontend.server().session_count(), 0u);
  for (const auto& peer : peers) EXPECT_EQ(Code(peer->ReadReply()), "421");
}

TEST(ServerTest, SessionsAreDescribed) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  Greet(peer);
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN " + Plain("secret"))), "235");
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<s@gw.example>")), "250");
  absl::Mutex mu;
  std::vector<v1::Session> sessions;
  frontend.server().Describe([&](std::vector<v1::Session> described) {
    absl::MutexLock lock(&mu);
    sessions = std::move(described);
  });
  ASSERT_TRUE(Eventually([&] {
    absl::MutexLock lock(&mu);
    return sessions.size() == 1;
  }));
  EXPECT_EQ(sessions[0].stage(), "mail");
  EXPECT_EQ(sessions[0].login(), "gw.example");
  EXPECT_EQ(sessions[0].listener(), "mx");
  EXPECT_EQ(sessions[0].session_id().size(), 12u);
}

TEST(ServerTest, ServerMayBeDestroyedWithOpenSessionsAndOpenQuestions) {
  auto frontend = std::make_unique<TestFrontend>();
  TestPeer idle(frontend->AddressOf("mx"));
  TestPeer waiting(frontend->AddressOf("mx"));
  Greet(idle);
  Greet(waiting);
  frontend->policy().SetHoldAnswers(true);
  waiting.Send("MAIL FROM:<s@else.example>\r\n");
  ASSERT_TRUE(Eventually([&] { return frontend->policy().questions().back().has_mail(); }));
  frontend.reset();
  EXPECT_TRUE(idle.IsAtEnd());
}

}  // namespace
}  // namespace turnpike::frontend
