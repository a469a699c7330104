// ATRN: the session with a scripted peer on the other side of the turn.
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
using testing::Hold;
using testing::TestFrontend;
using testing::TestPeer;

std::string Code(const std::string& reply) { return reply.substr(0, 3); }

std::string Content(int number) {
  return absl::StrCat("Subject: ", number, "\r\n\r\n..dots\r\nmessage ", number, "\r\n");
}

// As it goes over the wire after DATA.
std::string Stuffed(int number) {
  return absl::StrCat("Subject: ", number, "\r\n\r\n...dots\r\nmessage ", number, "\r\n.\r\n");
}

void LogIn(TestPeer& peer) {
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_TRUE(absl::StrContains(peer.Ask("EHLO client.gw.example"), "ATRN"));
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN AGd3LmV4YW1wbGUAc2VjcmV0")), "235");
}

// Logs in and turns.
void Turn(TestFrontend& frontend, TestPeer& peer) {
  frontend.dequeue().GrantAtrn("gw.example");
  LogIn(peer);
  EXPECT_EQ(peer.Ask("ATRN gw.example"), "250 2.0.0 OK now reversing the connection");
}

// Greets as the server that we are now.
void Serve(TestPeer& peer, absl::string_view keywords = "250 OK\r\n") {
  peer.Send("220 inside.gw.example ESMTP\r\n");
  EXPECT_EQ(peer.ReadLine(), "EHLO mx.example.com");
  peer.Send(keywords);
}

// Takes one message up to the end of its data, which is not answered yet. Without PIPELINING.
std::string TakeMessage(TestPeer& peer, absl::string_view rcpt_reply = "250 OK") {
  std::string dialogue = peer.ReadLine();
  peer.Send("250 OK\r\n");
  absl::StrAppend(&dialogue, "|", peer.ReadLine());
  peer.Send(absl::StrCat(rcpt_reply, "\r\n"));
  if (Code(std::string(rcpt_reply)) != "250") return dialogue;
  EXPECT_EQ(peer.ReadLine(), "DATA");
  peer.Send("354 go\r\n");
  absl::StrAppend(&dialogue, "|", peer.ReadTo("."));
  return dialogue;
}

// The commands of a pipelined envelope; not answered yet.
std::string TakeEnvelope(TestPeer& peer) {
  std::string dialogue = peer.ReadLine();
  absl::StrAppend(&dialogue, "|", peer.ReadLine());
  EXPECT_EQ(peer.ReadLine(), "DATA");
  return dialogue;
}

std::string Envelope(absl::string_view recipient, int number) {
  return absl::StrCat("MAIL FROM:<sender@elsewhere.example> SIZE=", Content(number).size(),
                      "|RCPT TO:<", recipient, "@gw.example>");
}

constexpr char kPipelining[] = "250-in\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n";
constexpr char kGo[] = "250 OK\r\n250 OK\r\n354 go\r\n";

dequeue::FakeDequeue::AtrnRecord EndOf(TestFrontend& frontend) {
  EXPECT_TRUE(Eventually([&] {
    const auto records = frontend.dequeue().atrn_records();
    return !records.empty() && records.back().end.has_value() && records.back().destroyed;
  }));
  return frontend.dequeue().atrn_records().back();
}

size_t HeldCount(TestFrontend& frontend) {
  size_t held = 0;
  for (const spool::v1::Delivery& delivery : frontend.spool().deliveries()) {
    if (delivery.state() == spool::v1::DELIVERY_STATE_HELD) ++held;
  }
  return held;
}

TEST(TurnTest, EverythingHeldIsSentAndThenQuit) {
  TestFrontend frontend;
  for (int i = 0; i < 10; ++i) Hold(frontend.spool(), absl::StrCat("u", i), Content(i));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(TakeMessage(peer), absl::StrCat("MAIL FROM:<sender@elsewhere.example>|RCPT TO:<u", i,
                                              "@gw.example>|", Stuffed(i)));
    peer.Send("250 taken\r\n");
  }
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  EXPECT_TRUE(peer.IsAtEnd());
  const auto record = EndOf(frontend);
  EXPECT_EQ(record.begin.asker().gateway_login(), "gw.example");
  EXPECT_EQ(record.begin.domains(0), "gw.example");
  EXPECT_EQ(record.end->ending(), dequeue::v1::ATRN_ENDING_COMPLETED);
  EXPECT_EQ(record.end->totals().delivered(), 10);
  EXPECT_TRUE(frontend.spool().deliveries().empty());
  EXPECT_EQ(frontend.Metric("turnpike_smtp_atrn_messages_total", "result=\"delivered\""), 10);
}

TEST(TurnTest, RefusalIsSaidInOneLineAndTheSessionStays) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("odmr"));
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "250");
  EXPECT_EQ(Code(peer.Ask("ATRN gw.example")), "530");
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN AGd3LmV4YW1wbGUAc2VjcmV0")), "235");
  EXPECT_EQ(peer.Ask("ATRN gw.example"), "453 4.0.0 You have no mail");
  frontend.dequeue().SetAtrnResponse(absl::UnavailableError("away"));
  EXPECT_EQ(Code(peer.Ask("ATRN")), "451");
  EXPECT_EQ(Code(peer.Ask("QUIT")), "221");
  EXPECT_TRUE(frontend.spool().lease_streams().empty());
}

TEST(TurnTest, EachMessageIsOnRecordBeforeTheEndOfTheNext) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  Hold(frontend.spool(), "b", Content(2));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  TakeMessage(peer);
  frontend.spool().HoldAnswers();
  peer.Send("250 taken\r\n");
  // All of the second message but its end may come.
  EXPECT_EQ(peer.ReadLine(), "MAIL FROM:<sender@elsewhere.example>");
  peer.Send("250 OK\r\n");
  EXPECT_EQ(peer.ReadLine(), "RCPT TO:<b@gw.example>");
  peer.Send("250 OK\r\n");
  EXPECT_EQ(peer.ReadLine(), "DATA");
  peer.Send("354 go\r\n");
  absl::SleepFor(absl::Milliseconds(100));
  std::string seen;
  while (!peer.IsSilentFor(100)) absl::StrAppend(&seen, peer.ReadLine(), "\r\n");
  EXPECT_FALSE(absl::StrContains(seen, "\r\n.\r\n"));
  EXPECT_EQ(frontend.spool().settlements().size(), 1u);
  frontend.spool().ReleaseAnswers();
  EXPECT_TRUE(absl::EndsWith(absl::StrCat(seen, peer.ReadTo(".")), "message 2\r\n.\r\n"));
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
}

TEST(TurnTest, NextEnvelopeComesBehindTheEndOfDataWherePipeliningIsOffered) {
  TestFrontend frontend;
  for (int i = 0; i < 12; ++i) Hold(frontend.spool(), absl::StrCat("u", i), Content(10));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer, kPipelining);
  EXPECT_EQ(TakeEnvelope(peer), Envelope("u0", 10));
  for (int i = 0; i < 12; ++i) {
    peer.Send(kGo);
    EXPECT_EQ(peer.ReadTo("."), Stuffed(10));
    // Nothing is answered yet, and the next one is here.
    if (i < 11) {
      EXPECT_EQ(TakeEnvelope(peer), Envelope(absl::StrCat("u", i + 1), 10));
    }
    peer.Send("250 taken\r\n");
  }
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  EXPECT_EQ(EndOf(frontend).end->totals().delivered(), 12);
  EXPECT_TRUE(frontend.spool().deliveries().empty());
}

TEST(TurnTest, EachMessageIsOnRecordBeforeTheEndOfTheOneThatWasBegunBehindIt) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  Hold(frontend.spool(), "b", Content(2));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer, kPipelining);
  TakeEnvelope(peer);
  peer.Send(kGo);
  EXPECT_EQ(peer.ReadTo("."), Stuffed(1));
  EXPECT_EQ(TakeEnvelope(peer), Envelope("b", 2));
  frontend.spool().HoldAnswers();
  peer.Send(absl::StrCat("250 taken\r\n", kGo));
  ASSERT_TRUE(Eventually([&] { return frontend.spool().settlements().size() == 1; }));
  std::string seen;
  while (!peer.IsSilentFor(200)) absl::StrAppend(&seen, peer.ReadLine(), "\r\n");
  EXPECT_FALSE(absl::StrContains(seen, "\r\n.\r\n"));
  frontend.spool().ReleaseAnswers();
  EXPECT_EQ(absl::StrCat(seen, peer.ReadTo(".")), Stuffed(2));
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
}

TEST(TurnTest, ConnectionLostBehindAnEndOfDataMakesOnlyThatMessageUnknown) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  Hold(frontend.spool(), "b", Content(2));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer, kPipelining);
  TakeEnvelope(peer);
  peer.Send(kGo);
  EXPECT_EQ(peer.ReadTo("."), Stuffed(1));
  TakeEnvelope(peer);
  peer.Reset();
  EXPECT_EQ(EndOf(frontend).end->ending(), dequeue::v1::ATRN_ENDING_LOST);
  const std::vector<spool::v1::Settlement> settlements = frontend.spool().settlements();
  ASSERT_EQ(settlements.size(), 1u);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_UNKNOWN);
  ASSERT_TRUE(Eventually([&] { return HeldCount(frontend) == 2; }));
  EXPECT_TRUE(frontend.spool().deliveries()[0].outcome_unknown());
  EXPECT_FALSE(frontend.spool().deliveries()[1].outcome_unknown());
}

TEST(TurnTest, RefusedRecipientsBehindOneAnotherAreAllReturned) {
  TestFrontend frontend;
  for (int i = 0; i < 10; ++i) Hold(frontend.spool(), absl::StrCat("u", i), Content(1));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer, kPipelining);
  for (int i = 0; i < 10; ++i) {
    TakeEnvelope(peer);
    peer.Send("250 OK\r\n550 5.1.1 no such user\r\n503 nobody\r\n");
    if (i == 9) break;
    EXPECT_EQ(peer.ReadLine(), "RSET");
    peer.Send("250 OK\r\n");
  }
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  EXPECT_EQ(EndOf(frontend).end->totals().returned(), 10);
  EXPECT_TRUE(frontend.spool().deliveries().size() == 10u) << "the notifications";
}

TEST(TurnTest, OutcomeThatCannotBeRecordedEndsTheSessionBeforeTheNextMessage) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  Hold(frontend.spool(), "b", Content(2));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  TakeMessage(peer);
  frontend.spool().SetSettleResult(absl::UnavailableError("away"));
  peer.Send("250 taken\r\n");
  EXPECT_FALSE(absl::StrContains(TakeMessage(peer), "\r\n.\r\n"));
  EXPECT_EQ(EndOf(frontend).end->ending(), dequeue::v1::ATRN_ENDING_STORE_AWAY);
}

TEST(TurnTest, FailedSettlementIsSentAgain) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  TakeMessage(peer);
  frontend.spool().SetSettleResult(spool::v1::SETTLE_OUTCOME_FAILED);
  peer.Send("250 taken\r\n");
  ASSERT_TRUE(Eventually([&] { return frontend.spool().settlements().size() >= 2; }));
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  EXPECT_EQ(EndOf(frontend).end->ending(), dequeue::v1::ATRN_ENDING_STORE_AWAY);
  EXPECT_EQ(frontend.spool().settlements().size(), 3u);
}

TEST(TurnTest, RefusedRecipientIsReturnedToTheSender) {
  TestFrontend frontend;
  Hold(frontend.spool(), "unknown", Content(1));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  TakeMessage(peer, "550 5.1.1 no such user");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  EXPECT_EQ(EndOf(frontend).end->totals().returned(), 1);
  const spool::v1::Settlement settlement = frontend.spool().settlements()[0];
  EXPECT_EQ(settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_RETURNED);
  EXPECT_EQ(settlement.outcomes(0).reply().text(), "no such user");
  ASSERT_EQ(settlement.follow_ups_size(), 1);
  const spool::v1::NewMessage& notification = settlement.follow_ups(0);
  EXPECT_EQ(notification.envelope().return_path(), "");
  EXPECT_EQ(notification.deliveries(0).recipients(0).address(), "sender@elsewhere.example");
  EXPECT_TRUE(absl::StrContains(notification.inline_content(), "unknown@gw.example"));
  EXPECT_TRUE(absl::StrContains(notification.inline_content(), "no such user"));
}

TEST(TurnTest, PutOffRecipientStaysHeldAndIsNotTriedAgainInThisSession) {
  TestFrontend frontend;
  Hold(frontend.spool(), "later", Content(1));
  Hold(frontend.spool(), "b", Content(2));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  TakeMessage(peer, "451 4.2.1 later");
  EXPECT_EQ(Code(peer.ReadLine()), "RSE");
  peer.Send("250 OK\r\n");
  EXPECT_TRUE(absl::EndsWith(TakeMessage(peer), Stuffed(2)));
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  const auto record = EndOf(frontend);
  EXPECT_EQ(record.end->totals().kept(), 1);
  EXPECT_EQ(record.end->totals().delivered(), 1);
  ASSERT_EQ(HeldCount(frontend), 1u);
  EXPECT_EQ(frontend.spool().deliveries()[0].attempts(), 0);
}

TEST(TurnTest, ConnectionLostAfterTheEndOfDataIsAnUnknownOutcome) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  EXPECT_TRUE(absl::EndsWith(TakeMessage(peer), Stuffed(1)));
  peer.Reset();
  EXPECT_EQ(EndOf(frontend).end->ending(), dequeue::v1::ATRN_ENDING_LOST);
  const std::vector<spool::v1::Settlement> settlements = frontend.spool().settlements();
  ASSERT_EQ(settlements.size(), 1u);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_UNKNOWN);
  ASSERT_EQ(HeldCount(frontend), 1u);
  EXPECT_TRUE(frontend.spool().deliveries()[0].outcome_unknown());
}

TEST(TurnTest, PeerThatRefusesBeforeItsGreetingCostsNothing) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  for (absl::string_view words : {"554 not now\r\n", "421 closing\r\n", "", "nonsense\r\n",
                                  "220 in\r\n500 what\r\n500 what\r\n"}) {
    TestPeer peer(frontend.AddressOf("odmr"));
    Turn(frontend, peer);
    peer.Send(words);
    peer.CloseWriting();
    EXPECT_EQ(EndOf(frontend).end->ending(), dequeue::v1::ATRN_ENDING_REFUSED) << words;
  }
  EXPECT_TRUE(frontend.spool().settlements().empty());
  EXPECT_EQ(HeldCount(frontend), 1u);
}

TEST(TurnTest, CutAtAnyOctetOfThePeerLosesNothing) {
  const std::string words =
      "220 in ESMTP\r\n250 OK\r\n250 OK\r\n250 OK\r\n354 go\r\n250 taken\r\n221 bye\r\n";
  const size_t taken_at = words.find("250 taken\r\n") + 11;
  for (size_t length = 0; length <= words.size(); length += 3) {
    TestFrontend frontend;
    Hold(frontend.spool(), "a", Content(1));
    TestPeer peer(frontend.AddressOf("odmr"));
    Turn(frontend, peer);
    // Replies are given before they are asked for, which must not confuse anybody either.
    peer.Send(words.substr(0, length));
    peer.CloseWriting();
    EndOf(frontend);
    const size_t left = frontend.spool().deliveries().size();
    if (length < taken_at) {
      EXPECT_EQ(left, 1u) << length;
    }
    EXPECT_EQ(HeldCount(frontend), left) << length;
  }
}

TEST(TurnTest, WhatStandsBehindAtrnIsNotTakenForTheGreeting) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  TestPeer peer(frontend.AddressOf("odmr"));
  frontend.dequeue().GrantAtrn("gw.example");
  LogIn(peer);
  peer.Send("ATRN gw.example\r\n220 evil\r\n250 evil\r\n");
  EXPECT_EQ(Code(peer.ReadReply()), "250");
  EXPECT_TRUE(peer.IsSilentFor(100));  // no EHLO yet
  Serve(peer);
  EXPECT_EQ(peer.ReadLine(), "MAIL FROM:<sender@elsewhere.example>");
}

TEST(TurnTest, WhatThePeerOffersIsUsedButNoChunksAndNoTls) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer, "250-in\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-STARTTLS\r\n250 SIZE 1000000\r\n");
  EXPECT_EQ(peer.ReadLine(),
            absl::StrCat("MAIL FROM:<sender@elsewhere.example> SIZE=", Content(1).size()));
  EXPECT_EQ(peer.ReadLine(), "RCPT TO:<a@gw.example>");
  EXPECT_EQ(peer.ReadLine(), "DATA");
  peer.Send("250 OK\r\n250 OK\r\n354 go\r\n");
  EXPECT_EQ(peer.ReadTo("."), Stuffed(1));
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
}

TEST(TurnTest, LargeMessageIsReadFromTheSpool) {
  TestFrontend frontend;
  std::string content = "Subject: large\r\n\r\n";
  for (int i = 0; content.size() < 2'000'000; ++i) absl::StrAppend(&content, "line ", i, "\r\n");
  Hold(frontend.spool(), "a", content);
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  EXPECT_TRUE(absl::EndsWith(TakeMessage(peer), absl::StrCat("|", content, ".\r\n")));
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  EXPECT_EQ(EndOf(frontend).end->totals().bytes(), static_cast<int64_t>(content.size()));
}

TEST(TurnTest, ContentThatCannotBeReadIsLeftHeld) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", std::string(300'000, 'x') + "\r\n");
  Hold(frontend.spool(), "b", Content(2));
  frontend.spool().SetReadStatus(absl::DataLossError("damaged"));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  EXPECT_TRUE(absl::EndsWith(TakeMessage(peer), Stuffed(2)));
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  EndOf(frontend);
  EXPECT_EQ(HeldCount(frontend), 1u);
}

TEST(TurnTest, WhatArrivesMeanwhileIsSentToo) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  TakeMessage(peer);
  Hold(frontend.spool(), "b", Content(2));
  peer.Send("250 taken\r\n");
  EXPECT_TRUE(absl::EndsWith(TakeMessage(peer), Stuffed(2)));
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
}

TEST(TurnTest, RevokedGrantEndsAfterTheMessageInProgress) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  Hold(frontend.spool(), "b", Content(2));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  TakeMessage(peer);
  frontend.dequeue().RevokeAtrn();
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  const auto record = EndOf(frontend);
  EXPECT_EQ(record.end->ending(), dequeue::v1::ATRN_ENDING_DRAINED);
  EXPECT_EQ(record.end->totals().delivered(), 1);
  EXPECT_EQ(HeldCount(frontend), 1u);
}

TEST(TurnTest, DrainEndsTurnedSessionsAfterTheMessageInProgress) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  Hold(frontend.spool(), "b", Content(2));
  TestPeer opening(frontend.AddressOf("odmr"));
  Turn(frontend, opening);  // never greets
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  TakeMessage(peer);
  std::thread drain([&] { frontend.server().Drain(absl::Now() + absl::Seconds(10)); });
  EXPECT_TRUE(opening.IsAtEnd());
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  drain.join();
  EXPECT_EQ(HeldCount(frontend), 1u);
}

TEST(TurnTest, StoreThatGoesAwayEndsTheSession) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  Hold(frontend.spool(), "b", Content(2));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  EXPECT_EQ(peer.ReadLine(), "MAIL FROM:<sender@elsewhere.example>");
  frontend.spool().BreakStreams(absl::UnavailableError("gone"));
  peer.Send("250 OK\r\n");
  peer.ReadLine();
  peer.Send("250 OK\r\n");
  peer.ReadLine();
  peer.Send("354 go\r\n");
  // The lease is not ours any more: the message must not end.
  EXPECT_FALSE(absl::StrContains(peer.ReadTo("."), "\r\n.\r\n"));
  EXPECT_EQ(EndOf(frontend).end->ending(), dequeue::v1::ATRN_ENDING_STORE_AWAY);
  EXPECT_EQ(HeldCount(frontend), 2u);
}

TEST(TurnTest, QueueThatCannotBeCountedIsNotTouched) {
  TestFrontend frontend;
  Hold(frontend.spool(), "a", Content(1));
  frontend.spool().SetQueueStatus(absl::UnavailableError("away"));
  TestPeer peer(frontend.AddressOf("odmr"));
  Turn(frontend, peer);
  Serve(peer);
  EXPECT_EQ(peer.ReadLine(), "QUIT");
  peer.Send("221 bye\r\n");
  EXPECT_EQ(EndOf(frontend).end->ending(), dequeue::v1::ATRN_ENDING_STORE_AWAY);
}

TEST(TurnTest, TurnedTlsSessionWritesOneLineInARecord) {
  config::v1::Config config = DefaultConfig();
  AddTls(&config);
  TestFrontend frontend(config);
  std::string content = "Subject: lines\r\n\r\n";
  for (int i = 0; i < 500; ++i) absl::StrAppend(&content, "line ", i, "\r\n");
  Hold(frontend.spool(), "a", content);
  TestPeer peer(frontend.AddressOf("odmr"));
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "250");
  EXPECT_EQ(Code(peer.Ask("STARTTLS")), "220");
  ASSERT_TRUE(peer.StartTls());
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "250");
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN AGd3LmV4YW1wbGUAc2VjcmV0")), "235");
  frontend.dequeue().GrantAtrn("gw.example");
  EXPECT_EQ(Code(peer.Ask("ATRN gw.example")), "250");
  Serve(peer);
  const int before = peer.tls_record_count();
  EXPECT_TRUE(absl::EndsWith(TakeMessage(peer), absl::StrCat("|", content, ".\r\n")));
  // MAIL, RCPT, DATA, 502 lines of content, and the dot.
  EXPECT_EQ(peer.tls_record_count() - before, 3 + 502 + 1);
  peer.Send("250 taken\r\n");
  EXPECT_EQ(peer.ReadLine(), "QUIT");
}

}  // namespace
}  // namespace turnpike::frontend
