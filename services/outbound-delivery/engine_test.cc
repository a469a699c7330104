// One message, one attempt: what each answer of a peer leads to.
#include "services/outbound-delivery/engine.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/testing/delivery_fixture.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using EngineTest = DeliveryFixture;

// A script that gives `answer` to the first command with this prefix on each connection, and to
// later ones.
SmtpPeer::Options AnswerTo(const std::string& prefix, const std::string& answer) {
  SmtpPeer::Options options;
  options.script = [=](int, const std::string& command) -> std::optional<std::string> {
    if (absl::StartsWith(command, prefix)) return answer;
    return std::nullopt;
  };
  return options;
}

TEST_F(EngineTest, DeliveredMailArrivesAsItWasStored) {
  SmtpPeer peer({.keywords = {"PIPELINING", "8BITMIME", "DSN", "SIZE 0"}});
  SetLocalPeer(peer);
  Start();
  spool::v1::NewMessage message =
      MakeMessage({"bob@local.example", "carl@local.example"},
                  "Subject: x\r\n\r\n.dot\r\n..dots\r\nno newline at the end?\r\n");
  message.mutable_envelope()->set_dsn_envelope_id("id-7");
  message.mutable_envelope()->set_dsn_return(mail::v1::DSN_RETURN_FULL);
  message.mutable_deliveries(0)->mutable_recipients(0)->add_dsn_notify(
      mail::v1::DSN_NOTIFY_SUCCESS);
  const std::string content = message.inline_content();
  Enqueue(message);

  const auto settlements = WaitForSettlements(1);
  ASSERT_THAT(settlements[0].outcomes(), SizeIs(2));
  for (const spool::v1::RecipientOutcome& outcome : settlements[0].outcomes()) {
    EXPECT_EQ(outcome.disposition(), spool::v1::DISPOSITION_DELIVERED);
    EXPECT_EQ(outcome.reply().code(), 250);
    EXPECT_EQ(outcome.host(), absl::StrCat("[127.0.0.1]:", peer.port()));
  }
  EXPECT_THAT(settlements[0].follow_ups(), SizeIs(0));  // the peer notifies
  ASSERT_THAT(peer.messages(), SizeIs(1));
  const SmtpPeer::Message got = peer.messages()[0];
  EXPECT_EQ(got.content, content);
  EXPECT_THAT(got.mail, HasSubstr("MAIL FROM:<ann@home.example>"));
  EXPECT_THAT(got.mail, HasSubstr("RET=FULL"));
  EXPECT_THAT(got.mail, HasSubstr("ENVID=id-7"));
  EXPECT_THAT(got.mail, HasSubstr(absl::StrCat("SIZE=", content.size())));
  EXPECT_THAT(got.recipients, ElementsAre(HasSubstr("RCPT TO:<bob@local.example> NOTIFY=SUCCESS"),
                                          HasSubstr("RCPT TO:<carl@local.example>")));
  EXPECT_TRUE(WaitFor([&] { return spool_->deliveries().empty(); }));
}

TEST_F(EngineTest, SuccessIsReportedForAPeerWithoutDsn) {
  SmtpPeer peer({});
  SetLocalPeer(peer);
  Start();
  spool::v1::NewMessage message = MakeMessage({"bob@local.example"});
  message.mutable_deliveries(0)->mutable_recipients(0)->add_dsn_notify(
      mail::v1::DSN_NOTIFY_SUCCESS);
  Enqueue(message);
  const auto settlements = WaitForSettlements(1);
  ASSERT_THAT(settlements[0].follow_ups(), SizeIs(1));
  EXPECT_THAT(settlements[0].follow_ups(0).inline_content(), HasSubstr("Action: relayed"));
}

struct StageCase {
  std::string command;
  std::string answer;
  spool::v1::Disposition disposition;
  bool is_reply_kept;  // the peer's own words are in the outcome
};

class StageTest : public DeliveryFixture, public ::testing::WithParamInterface<StageCase> {};

TEST_P(StageTest, AnswerDecidesTheFate) {
  SmtpPeer peer(AnswerTo(GetParam().command, GetParam().answer));
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  const auto settlements = WaitForSettlements(1);
  ASSERT_THAT(settlements[0].outcomes(), SizeIs(1));
  const spool::v1::RecipientOutcome& outcome = settlements[0].outcomes(0);
  EXPECT_EQ(outcome.disposition(), GetParam().disposition) << outcome.ShortDebugString();
  if (GetParam().is_reply_kept) {
    EXPECT_EQ(absl::StrCat(outcome.reply().code(), " ", outcome.reply().enhanced_code(), " ",
                           outcome.reply().text()),
              GetParam().answer);
  }
  const bool is_returned = GetParam().disposition == spool::v1::DISPOSITION_RETURNED;
  EXPECT_EQ(settlements[0].has_defer_until(), !is_returned);
  EXPECT_THAT(settlements[0].follow_ups(), SizeIs(is_returned ? 1 : 0));
  if (is_returned) {
    EXPECT_THAT(settlements[0].follow_ups(0).inline_content(),
                HasSubstr(absl::StrCat("Diagnostic-Code: smtp; ", GetParam().answer)));
  }
  EXPECT_THAT(peer.messages(), SizeIs(0));
}

constexpr auto kDelayed = spool::v1::DISPOSITION_DELAYED;
constexpr auto kReturned = spool::v1::DISPOSITION_RETURNED;

INSTANTIATE_TEST_SUITE_P(
    Replies, StageTest,
    ::testing::Values(StageCase{"greeting", "421 4.3.2 Not now", kDelayed, true},
                      // A mailbox server that refuses us has not judged the mail.
                      StageCase{"greeting", "554 5.7.1 Go away", kDelayed, false},
                      StageCase{"MAIL", "451 4.3.0 Later", kDelayed, true},
                      StageCase{"MAIL", "550 5.7.1 Not from you", kReturned, true},
                      StageCase{"RCPT", "450 4.2.0 Later", kDelayed, true},
                      StageCase{"RCPT", "550 5.1.1 No such user", kReturned, true},
                      StageCase{"DATA", "451 4.3.0 Later", kDelayed, true},
                      StageCase{"DATA", "554 5.5.0 No", kReturned, true},
                      StageCase{".", "452 4.3.1 Full", kDelayed, true},
                      StageCase{".", "554 5.6.0 I do not like it", kReturned, true}));

INSTANTIATE_TEST_SUITE_P(
    HangUps, StageTest,
    ::testing::Values(StageCase{"greeting", SmtpPeer::kHangUp, kDelayed, false},
                      StageCase{"EHLO", SmtpPeer::kHangUp, kDelayed, false},
                      StageCase{"MAIL", SmtpPeer::kHangUp, kDelayed, false},
                      StageCase{"RCPT", SmtpPeer::kHangUp, kDelayed, false},
                      StageCase{"DATA", SmtpPeer::kHangUp, kDelayed, false},
                      StageCase{".", SmtpPeer::kHangUp, spool::v1::DISPOSITION_UNKNOWN, false}));

INSTANTIATE_TEST_SUITE_P(Nonsense, StageTest,
                         ::testing::Values(StageCase{"greeting", "hello there", kDelayed, false},
                                           StageCase{"EHLO", "999 what", kDelayed, false},
                                           StageCase{"MAIL", "150 hm", kDelayed, false},
                                           StageCase{"DATA", "250 no need to", kDelayed, false}));

TEST_F(EngineTest, SilentPeerTimesOut) {
  config_.mutable_delivery()->mutable_command_timeout()->set_seconds(0);
  config_.mutable_delivery()->mutable_command_timeout()->set_nanos(200'000'000);
  SmtpPeer peer(AnswerTo("MAIL", SmtpPeer::kSilence));
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kDelayed);
  EXPECT_TRUE(settlements[0].has_defer_until());
}

TEST_F(EngineTest, EveryRecipientHasItsOwnFate) {
  SmtpPeer peer({.script = [](int, const std::string& command) -> std::optional<std::string> {
    if (absl::StartsWith(command, "RCPT TO:<no@")) return "550 5.1.1 No such user";
    if (absl::StartsWith(command, "RCPT TO:<later@")) return "450 4.2.1 Later";
    return std::nullopt;
  }});
  SetLocalPeer(peer);
  Start();
  Enqueue(MakeMessage({"yes@local.example", "no@local.example", "later@local.example"}));
  const auto settlements = WaitForSettlements(1);
  ASSERT_THAT(settlements[0].outcomes(), SizeIs(3));
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
  EXPECT_EQ(settlements[0].outcomes(1).disposition(), kReturned);
  EXPECT_EQ(settlements[0].outcomes(2).disposition(), kDelayed);
  ASSERT_THAT(settlements[0].follow_ups(), SizeIs(1));
  const spool::v1::NewDelivery& notice = settlements[0].follow_ups(0).deliveries(0);
  EXPECT_EQ(notice.queue().name(), "home.example");
  EXPECT_TRUE(notice.hold());
  EXPECT_THAT(peer.messages()[0].recipients, SizeIs(1));
}

TEST_F(EngineTest, LmtpAnswersForEachRecipient) {
  SmtpPeer peer({.is_lmtp = true,
                 .script = [](int, const std::string& command) -> std::optional<std::string> {
                   if (absl::StartsWith(command, "EHLO")) return "500 5.5.1 This is LMTP";
                   if (command == ". 1") return "552 5.2.2 Mailbox full";
                   if (command == ". 2") return "452 4.2.2 Mailbox busy";
                   return std::nullopt;
                 }});
  SetLmtpPeer(peer);
  Start();
  spool::v1::NewMessage message =
      MakeMessage({"a@lmtp.example", "b@lmtp.example", "c@lmtp.example"});
  message.mutable_deliveries(0)->mutable_recipients(0)->add_dsn_notify(
      mail::v1::DSN_NOTIFY_SUCCESS);
  Enqueue(message);
  const auto settlements = WaitForSettlements(1);
  ASSERT_THAT(settlements[0].outcomes(), SizeIs(3));
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
  EXPECT_EQ(settlements[0].outcomes(1).disposition(), kReturned);
  EXPECT_EQ(settlements[0].outcomes(2).disposition(), kDelayed);
  ASSERT_THAT(settlements[0].follow_ups(), SizeIs(2));
  EXPECT_THAT(settlements[0].follow_ups(0).inline_content(), HasSubstr("Action: failed"));
  EXPECT_THAT(settlements[0].follow_ups(1).inline_content(), HasSubstr("Action: delivered"));
}

TEST_F(EngineTest, LargeContentIsReadInPieces) {
  SmtpPeer peer({});
  SetLocalPeer(peer);
  Start();
  std::string content = "Subject: large\r\n\r\n";
  while (content.size() < 3'000'000) content += "0123456789 0123456789 0123456789\r\n";
  Enqueue(MakeMessage({"bob@local.example"}, content));
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
  ASSERT_THAT(peer.messages(), SizeIs(1));
  EXPECT_TRUE(peer.messages()[0].content == content);
}

TEST_F(EngineTest, HeaderOfLargeMailIsReturnedWithTheNotification) {
  SmtpPeer peer(AnswerTo("RCPT", "550 5.1.1 No such user"));
  SetLocalPeer(peer);
  Start();
  std::string content = "Subject: large\r\nX-Mark: seen\r\n\r\n";
  while (content.size() < 400'000) content += "0123456789 0123456789 0123456789\r\n";
  Enqueue(MakeMessage({"bob@local.example"}, content));
  const auto settlements = WaitForSettlements(1);
  ASSERT_THAT(settlements[0].follow_ups(), SizeIs(1));
  EXPECT_THAT(settlements[0].follow_ups(0).inline_content(), HasSubstr("X-Mark: seen\r\n"));
  EXPECT_LT(settlements[0].follow_ups(0).inline_content().size(), 5000u);
}

TEST_F(EngineTest, DamagedContentIsSetAsideAndNotSent) {
  SmtpPeer peer({});
  SetLocalPeer(peer);
  Start();
  spool_->SetReadStatus(absl::DataLossError("checksum"));
  Enqueue(MakeMessage({"bob@local.example"},
                      absl::StrCat("Subject: x\r\n\r\n", std::string(300'000, 'a'), "\r\n")));
  const auto settlements = WaitForSettlements(1);
  EXPECT_TRUE(settlements[0].park());
  EXPECT_THAT(peer.messages(), SizeIs(0));
}

TEST_F(EngineTest, UnreadableContentIsTriedAgain) {
  SmtpPeer peer({});
  SetLocalPeer(peer);
  Start();
  spool_->SetReadStatus(absl::UnavailableError("away"));
  Enqueue(MakeMessage({"bob@local.example"},
                      absl::StrCat("Subject: x\r\n\r\n", std::string(300'000, 'a'), "\r\n")));
  const auto settlements = WaitForSettlements(1);
  EXPECT_TRUE(settlements[0].has_defer_until());
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kDelayed);
}

TEST_F(EngineTest, EightBitMailNeedsAPeerThatTakesIt) {
  SmtpPeer peer({.keywords = {"PIPELINING"}});
  SetLocalPeer(peer);
  Start();
  spool::v1::NewMessage message =
      MakeMessage({"bob@local.example"}, "Subject: x\r\n\r\nb\xc3\xbc\r\n");
  message.mutable_envelope()->set_body_type(mail::v1::BODY_TYPE_8BITMIME);
  Enqueue(message);
  auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kReturned);
  EXPECT_EQ(settlements[0].outcomes(0).reply().enhanced_code(), "5.6.3");

  // What only declares 8BITMIME can go.
  message = MakeMessage({"bob@local.example"});
  message.mutable_envelope()->set_body_type(mail::v1::BODY_TYPE_8BITMIME);
  Enqueue(message);
  settlements = WaitForSettlements(2);
  EXPECT_EQ(settlements[1].outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
}

TEST_F(EngineTest, FailedTlsHandshakeIsFollowedByAConnectionInClear) {
  SmtpPeer::Options options = AnswerTo("STARTTLS", "220 2.0.0 Go");
  options.keywords = {"PIPELINING", "STARTTLS"};
  SmtpPeer peer(options);
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
  EXPECT_EQ(peer.connections(), 2);
}

TEST_F(EngineTest, RefusedStartTlsGoesOnInClear) {
  SmtpPeer::Options options = AnswerTo("STARTTLS", "454 4.7.0 Not now");
  options.keywords = {"PIPELINING", "STARTTLS"};
  SmtpPeer peer(options);
  SetLocalPeer(peer);
  Start();
  Send("bob@local.example");
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
  EXPECT_EQ(peer.connections(), 1);
}

TEST_F(EngineTest, NullSenderGetsNoNotification) {
  SmtpPeer peer(AnswerTo("RCPT", "550 5.1.1 No such user"));
  SetLocalPeer(peer);
  Start();
  spool::v1::NewMessage message = MakeMessage({"bob@local.example"});
  message.mutable_envelope()->clear_return_path();
  Enqueue(message);
  const auto settlements = WaitForSettlements(1);
  EXPECT_EQ(settlements[0].outcomes(0).disposition(), kReturned);
  EXPECT_THAT(settlements[0].follow_ups(), SizeIs(0));
}

}  // namespace
}  // namespace turnpike::delivery
