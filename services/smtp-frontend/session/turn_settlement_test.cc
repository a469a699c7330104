#include "services/smtp-frontend/session/turn_settlement.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::frontend {
namespace {

using smtp::Disposition;
using smtp::Stage;

class TurnSettlementTest : public ::testing::Test {
 protected:
  TurnSettlementTest() : classes_(config::v1::Config()) {
    delivery_.mutable_token()->set_delivery_id(7);
    delivery_.mutable_token()->set_fence(8);
    delivery_.mutable_envelope()->set_return_path("ann@example.net");
    context_ = {.now = absl::FromUnixSeconds(1'800'000'000),
                .host_name = "mx.example.com",
                .classes = &classes_,
                .make_id = [] { return base::MessageId::Generate(absl::Now()); }};
    attempt_.host = "in.gw.example [192.0.2.1]:4711";
    attempt_.content = "Subject: x\r\n\r\nbody\r\n";
    attempt_.content_is_complete = true;
  }

  void Add(const std::string& address, Disposition disposition, Stage stage, smtp::Reply reply) {
    delivery_.add_recipient_indexes(delivery_.recipients_size() * 10);
    delivery_.add_recipients()->set_address(address);
    attempt_.outcomes.push_back({.disposition = disposition,
                                 .stage = stage,
                                 .reply = std::move(reply),
                                 .is_from_peer = stage != Stage::kConnection});
  }

  TurnSettlement Settle() { return SettleTurn(delivery_, attempt_, context_); }

  const routing::DomainClasses classes_;
  spool::v1::LeasedDelivery delivery_;
  TurnAttempt attempt_;
  TurnContext context_;
};

TEST_F(TurnSettlementTest, EachRecipientHasItsOwnFate) {
  Add("a@gw.example", Disposition::kDelivered, Stage::kEndOfData, smtp::kOk);
  Add("b@gw.example", Disposition::kTransientFailure, Stage::kRecipient, smtp::kMailboxFull);
  Add("c@gw.example", Disposition::kPermanentFailure, Stage::kRecipient, smtp::kNoSuchUser);
  const TurnSettlement result = Settle();
  EXPECT_EQ(result.delivered, 1);
  EXPECT_EQ(result.kept, 1);
  EXPECT_EQ(result.returned, 1);
  const spool::v1::Settlement& settlement = result.settlement;
  EXPECT_EQ(settlement.token().fence(), 8u);
  EXPECT_TRUE(settlement.hold());
  ASSERT_EQ(settlement.outcomes_size(), 3);
  EXPECT_EQ(settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
  EXPECT_EQ(settlement.outcomes(1).disposition(), spool::v1::DISPOSITION_DELAYED);
  EXPECT_EQ(settlement.outcomes(1).index(), 10);
  EXPECT_EQ(settlement.outcomes(2).disposition(), spool::v1::DISPOSITION_RETURNED);
  EXPECT_EQ(settlement.outcomes(2).host(), "in.gw.example [192.0.2.1]:4711");
  ASSERT_EQ(settlement.follow_ups_size(), 1);
  const std::string& notification = settlement.follow_ups(0).inline_content();
  EXPECT_TRUE(absl::StrContains(notification, "c@gw.example"));
  EXPECT_FALSE(absl::StrContains(notification, "b@gw.example"));
}

TEST_F(TurnSettlementTest, RecipientThatWasNeverOfferedStaysAsItWas) {
  Add("a@gw.example", Disposition::kTransientFailure, Stage::kConnection, smtp::kTimeout);
  const TurnSettlement result = Settle();
  EXPECT_FALSE(result.is_worth_recording());
  EXPECT_EQ(result.kept, 1);
}

TEST_F(TurnSettlementTest, AnswerThatWasLostIsUnknownAndKept) {
  Add("a@gw.example", Disposition::kUnknown, Stage::kConnection, smtp::kTimeout);
  const TurnSettlement result = Settle();
  ASSERT_TRUE(result.is_worth_recording());
  EXPECT_EQ(result.settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_UNKNOWN);
  EXPECT_EQ(result.unknown, 1);
  EXPECT_EQ(result.kept, 1);
}

TEST_F(TurnSettlementTest, NullSenderIsNeverNotified) {
  delivery_.mutable_envelope()->clear_return_path();
  Add("c@gw.example", Disposition::kPermanentFailure, Stage::kRecipient, smtp::kNoSuchUser);
  EXPECT_EQ(Settle().settlement.follow_ups_size(), 0);
}

TEST_F(TurnSettlementTest, SenderWhoWantsToKnowOfSuccessHearsOfAPeerThatDoesNotNotify) {
  Add("a@gw.example", Disposition::kDelivered, Stage::kEndOfData, smtp::kOk);
  delivery_.mutable_recipients(0)->add_dsn_notify(mail::v1::DSN_NOTIFY_SUCCESS);
  EXPECT_EQ(Settle().settlement.follow_ups_size(), 1);
  attempt_.peer_notifies = true;
  EXPECT_EQ(Settle().settlement.follow_ups_size(), 0);
}

}  // namespace
}  // namespace turnpike::frontend
