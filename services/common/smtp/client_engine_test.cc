#include "services/common/smtp/client_engine.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/client_dialogue_testing.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

using Events = std::vector<std::string>;
using Waiting = ClientEngine::Waiting;

// --- Greeting and EHLO ---

TEST(ClientEngineHelloTest, EhloFollowsTheGreeting) {
  ClientDialogue dialogue;
  EXPECT_EQ(dialogue.Go(), "");
  EXPECT_EQ(dialogue.engine().waiting(), Waiting::kGreeting);
  EXPECT_EQ(dialogue.Hear("220-mx.example\r\n220 ready\r\n"), "EHLO us.example\r\n");
  EXPECT_EQ(dialogue.engine().waiting(), Waiting::kHello);
  EXPECT_EQ(dialogue.Hear("250-mx.example\r\n250-SIZE 10\r\n250 DSN\r\n"), "");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"ready"});
  EXPECT_TRUE(dialogue.engine().capabilities().dsn);
  EXPECT_EQ(dialogue.engine().capabilities().size_bytes_max, 10u);
}

TEST(ClientEngineHelloTest, OldServersGetHelo) {
  ClientDialogue dialogue;
  dialogue.Hear("220 mx\r\n");
  EXPECT_EQ(dialogue.Hear("502 what\r\n"), "HELO us.example\r\n");
  EXPECT_EQ(dialogue.Hear("250-mx\r\n250 PIPELINING\r\n"), "");
  EXPECT_FALSE(dialogue.engine().capabilities().pipelining);
  EXPECT_FALSE(dialogue.engine().is_extended());
}

TEST(ClientEngineHelloTest, LmtpSaysLhlo) {
  ClientDialogue dialogue({.host_name = "us.example", .is_lmtp = true});
  EXPECT_EQ(dialogue.Hear("220 mx\r\n"), "LHLO us.example\r\n");
  dialogue.Hear("500 what\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"closed: refused 500 what"});
}

TEST(ClientEngineHelloTest, RefusalsEndTheSession) {
  for (absl::string_view reply : {"554 5.7.1 go away", "421 4.3.2 later", "451 busy"}) {
    ClientDialogue greeting;
    greeting.Hear(absl::StrCat(reply, "\r\n"));
    EXPECT_EQ(greeting.TakeEvents().size(), 1u);
    ClientDialogue hello;
    hello.Hear("220 mx\r\n");
    hello.Hear(absl::StrCat(reply, "\r\n"));
    hello.Hear(absl::StrCat(reply, "\r\n"));
    ASSERT_EQ(hello.TakeEvents().size(), 1u) << reply;
  }
}

TEST(ClientEngineHelloTest, WhatIsNoSmtpServerIsAProtocolError) {
  for (absl::string_view input :
       {"SSH-2.0-OpenSSH\r\n", "250 hi\r\n", "221 bye\r\n", "354 go\r\n", "HTTP/1.1 400\r\n",
        "220 a\n", "220 a\r\n250 early\r\n250 more\r\n"}) {
    ClientDialogue dialogue;
    dialogue.Hear(input);
    dialogue.Hear("");
    const Events events = dialogue.TakeEvents();
    ASSERT_FALSE(events.empty()) << input;
    EXPECT_TRUE(absl::StartsWith(events.back(), "closed: protocol error")) << events.back();
  }
}

// --- STARTTLS ---

TEST(ClientEngineStartTlsTest, EhloIsSaidAgainAndTheOldOfferForgotten) {
  ClientDialogue dialogue;
  dialogue.Open("STARTTLS|DSN");
  dialogue.engine().StartTls();
  EXPECT_EQ(dialogue.Go(), "STARTTLS\r\n");
  dialogue.Hear("220 go\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"starttls"});
  dialogue.engine().OnTlsStarted();
  EXPECT_FALSE(dialogue.engine().capabilities().dsn);
  EXPECT_EQ(dialogue.Go(), "EHLO us.example\r\n");
  dialogue.Hear("250 mx\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"ready"});
  EXPECT_EQ(dialogue.engine().capabilities(), Capabilities());
}

TEST(ClientEngineStartTlsTest, InjectedRepliesAreAProtocolError) {
  ClientDialogue dialogue;
  dialogue.Open("STARTTLS");
  dialogue.engine().StartTls();
  dialogue.Hear("220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n");
  EXPECT_TRUE(absl::StartsWith(dialogue.TakeEvents().back(), "closed: protocol error"));
}

TEST(ClientEngineStartTlsTest, RefusalsAreTold) {
  for (absl::string_view reply : {"454 4.7.0 not now", "502 no", "554 no"}) {
    ClientDialogue dialogue;
    dialogue.Open("STARTTLS");
    dialogue.engine().StartTls();
    dialogue.Hear(absl::StrCat(reply, "\r\n"));
    EXPECT_EQ(dialogue.TakeEvents(), Events{absl::StrCat("starttls refused ", reply)});
    EXPECT_TRUE(dialogue.engine().can_send());
  }
  ClientDialogue odd;
  odd.Open("STARTTLS");
  odd.engine().StartTls();
  odd.Hear("354 go\r\n");
  EXPECT_TRUE(absl::StartsWith(odd.TakeEvents().back(), "closed: protocol error"));
}

TEST(ClientEngineStartTlsTest, ReversedSessionsHaveNone) {
  ClientDialogue dialogue({.host_name = "us.example", .is_reversed = true});
  dialogue.Open("STARTTLS|DSN");
  EXPECT_FALSE(dialogue.engine().capabilities().start_tls);
  EXPECT_TRUE(dialogue.engine().capabilities().dsn);
}

// --- AUTH ---

TEST(ClientEngineAuthTest, StepsAreEncodedAndDecoded) {
  ClientDialogue dialogue;
  dialogue.Open("AUTH CRAM-MD5 PLAIN");
  dialogue.engine().Authenticate("CRAM-MD5", std::nullopt);
  EXPECT_EQ(dialogue.Go(), "AUTH CRAM-MD5\r\n");
  EXPECT_EQ(dialogue.engine().waiting(), Waiting::kAuth);
  dialogue.Hear("334 PDFAbXg+\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"challenge <1@mx>"});
  dialogue.engine().AuthRespond("u abc");
  EXPECT_EQ(dialogue.Go(), "dSBhYmM=\r\n");
  dialogue.Hear("235 2.7.0 ok\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"auth 235 2.7.0 ok"});
  EXPECT_TRUE(dialogue.engine().can_send());
}

TEST(ClientEngineAuthTest, InitialResponsesMayBeEmpty) {
  ClientDialogue dialogue;
  dialogue.Open("AUTH PLAIN EXTERNAL");
  dialogue.engine().Authenticate("EXTERNAL", "");
  EXPECT_EQ(dialogue.Go(), "AUTH EXTERNAL =\r\n");
  dialogue.Hear("535 5.7.8 no\r\n");
  dialogue.engine().Authenticate("PLAIN", absl::string_view("\0u\0p", 4));
  EXPECT_EQ(dialogue.Go(), "AUTH PLAIN AHUAcA==\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"auth 535 5.7.8 no"});
}

TEST(ClientEngineAuthTest, BadChallengesCancelTheExchange) {
  ClientDialogue dialogue;
  dialogue.Open("AUTH CRAM-MD5");
  dialogue.engine().Authenticate("CRAM-MD5", std::nullopt);
  dialogue.Go();
  EXPECT_EQ(dialogue.Hear("334 !!!\r\n"), "*\r\n");
  dialogue.Hear("501 cancelled\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"auth 501 cancelled"});
}

// --- ETRN, ATRN, QUIT ---

TEST(ClientEngineRequestTest, EtrnReportsItsReply) {
  ClientDialogue dialogue;
  dialogue.Open("ETRN");
  dialogue.engine().Etrn("@example.org");
  EXPECT_EQ(dialogue.Go(), "ETRN @example.org\r\n");
  dialogue.Hear("253 2 pending\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"etrn 253 2 pending"});
}

TEST(ClientEngineRequestTest, AtrnTurnsTheRoles) {
  const std::vector<DomainName> domains = {*DomainName::Parse("a.example"),
                                           *DomainName::Parse("bücher.example")};
  ClientDialogue dialogue;
  dialogue.Open("ATRN");
  dialogue.engine().Atrn(domains);
  EXPECT_EQ(dialogue.Go(), "ATRN a.example,xn--bcher-kva.example\r\n");
  EXPECT_EQ(dialogue.engine().waiting(), Waiting::kAtrn);
  EXPECT_EQ(dialogue.Hear("250 turn\r\n"), "");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"atrn 250 turn"});
  EXPECT_FALSE(dialogue.engine().can_send());

  ClientDialogue refused;
  refused.Open("ATRN");
  refused.engine().Atrn({});
  EXPECT_EQ(refused.Go(), "ATRN\r\n");
  refused.Hear("453 no mail\r\n");
  EXPECT_EQ(refused.TakeEvents(), Events{"atrn 453 no mail"});
  EXPECT_TRUE(refused.engine().can_send());
}

TEST(ClientEngineRequestTest, WordsBehindTheTurnAreAProtocolError) {
  ClientDialogue dialogue;
  dialogue.Open("ATRN");
  dialogue.engine().Atrn({});
  dialogue.Hear("250 turn\r\nEHLO evil\r\n");
  EXPECT_TRUE(absl::StartsWith(dialogue.TakeEvents().back(), "closed: protocol error"));
}

TEST(ClientEngineQuitTest, AnyAnswerAndNoneEndTheSession) {
  for (absl::string_view reply : {"221 bye\r\n", "500 what\r\n"}) {
    ClientDialogue dialogue;
    dialogue.Open();
    dialogue.engine().Quit();
    EXPECT_EQ(dialogue.Go(), "QUIT\r\n");
    dialogue.Hear(reply);
    EXPECT_TRUE(absl::StartsWith(dialogue.TakeEvents().back(), "closed: quit"));
  }
  ClientDialogue silent;
  silent.Open();
  silent.engine().Quit();
  silent.engine().OnDisconnected(kConnectionLost);
  silent.Go();
  EXPECT_TRUE(absl::StartsWith(silent.TakeEvents().back(), "closed: quit"));
}

TEST(ClientEngineClosingTest, A421OutOfTheBlueEndsTheSession) {
  ClientDialogue dialogue;
  dialogue.Open();
  dialogue.Hear("421 4.4.2 idle too long\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"closed: closing 421 4.4.2 idle too long"});
  EXPECT_FALSE(dialogue.engine().can_send());
}

TEST(ClientEngineClosingTest, OtherRepliesOutOfTheBlueAreAProtocolError) {
  for (absl::string_view reply : {"250 early\r\n", "354 go\r\n", "550 no\r\n"}) {
    ClientDialogue dialogue;
    dialogue.Open();
    dialogue.Hear(reply);
    EXPECT_TRUE(absl::StartsWith(dialogue.TakeEvents().back(), "closed: protocol error"));
  }
}

}  // namespace
}  // namespace turnpike::smtp
