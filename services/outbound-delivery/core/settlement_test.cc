#include "services/outbound-delivery/core/settlement.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

using ::testing::HasSubstr;

class SettlementTest : public ::testing::Test {
 protected:
  SettlementTest() : classes_(config::v1::Config()) {
    delivery_.mutable_token()->set_delivery_id(7);
    delivery_.mutable_token()->set_fence(9);
    delivery_.mutable_envelope()->set_return_path("ann@far.example");
    AddRecipient("bob@example.net", 4);
    context_.now = absl::FromUnixSeconds(1795000000);
    context_.host_name = "mx.example.org";
    context_.retry = &policy_;
    context_.classes = &classes_;
    context_.make_id = [this] { return base::MessageId::Generate(context_.now); };
  }

  void AddRecipient(const std::string& address, int index) {
    delivery_.add_recipients()->set_address(address);
    delivery_.add_recipient_indexes(index);
  }
  void AddOutcome(smtp::Disposition disposition, smtp::Reply reply) {
    attempt_.outcomes.push_back({.disposition = disposition,
                                 .stage = smtp::Stage::kEndOfData,
                                 .reply = std::move(reply),
                                 .is_from_peer = true});
    attempt_.peers.push_back({.host = kHost});
  }
  void SetAge(absl::Duration age) {
    delivery_.mutable_first_attempt_time()->set_seconds(absl::ToUnixSeconds(context_.now - age));
  }
  SettlementPlan Plan() {
    return PlanSettlement(delivery_, attempt_, {.bytes = "Subject: x\r\n\r\n"}, context_);
  }

  static constexpr char kHost[] = "mx1.example.net [192.0.2.1]:25";
  const smtp::Reply accepted_{250, {2, 0, 0}, "OK"};
  const smtp::Reply refused_{550, {5, 1, 1}, "No such user"};
  const smtp::Reply later_{450, {4, 2, 0}, "Try later"};
  RetryPolicy policy_;
  routing::DomainClasses classes_;
  spool::v1::LeasedDelivery delivery_;
  Attempt attempt_;
  SettleContext context_;
};

TEST_F(SettlementTest, DeliveredRecipientIsDoneWithoutANotification) {
  AddOutcome(smtp::Disposition::kDelivered, accepted_);
  EXPECT_FALSE(MayNotify(delivery_, attempt_, context_));
  const SettlementPlan plan = Plan();
  EXPECT_EQ(plan.settlement.token().delivery_id(), 7u);
  EXPECT_EQ(plan.settlement.token().fence(), 9u);
  ASSERT_EQ(plan.settlement.outcomes_size(), 1);
  EXPECT_EQ(plan.settlement.outcomes(0).index(), 4);
  EXPECT_EQ(plan.settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
  EXPECT_EQ(plan.settlement.outcomes(0).host(), kHost);
  EXPECT_EQ(plan.settlement.outcomes(0).reply().code(), 250);
  EXPECT_EQ(plan.settlement.rest_case(), spool::v1::Settlement::REST_NOT_SET);
  EXPECT_EQ(plan.settlement.follow_ups_size(), 0);
}

TEST_F(SettlementTest, EveryRecipientHasItsOwnFate) {
  AddRecipient("carl@example.net", 5);
  AddRecipient("dora@example.net", 6);
  AddOutcome(smtp::Disposition::kDelivered, accepted_);
  AddOutcome(smtp::Disposition::kPermanentFailure, refused_);
  AddOutcome(smtp::Disposition::kTransientFailure, later_);
  const SettlementPlan plan = Plan();
  EXPECT_EQ(plan.settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_DELIVERED);
  EXPECT_EQ(plan.settlement.outcomes(1).disposition(), spool::v1::DISPOSITION_RETURNED);
  EXPECT_EQ(plan.settlement.outcomes(2).disposition(), spool::v1::DISPOSITION_DELAYED);
  EXPECT_EQ(plan.settlement.defer_until().seconds(),
            absl::ToUnixSeconds(context_.now + absl::Minutes(5)));
  ASSERT_EQ(plan.settlement.follow_ups_size(), 1);
  const std::string& report = plan.settlement.follow_ups(0).inline_content();
  EXPECT_THAT(report, HasSubstr("carl@example.net"));
  EXPECT_THAT(report, HasSubstr("smtp; 550 5.1.1 No such user"));
  EXPECT_THAT(report, HasSubstr("Remote-MTA: dns; mx1.example.net"));
  EXPECT_THAT(report, ::testing::Not(HasSubstr("dora@example.net")));
  EXPECT_EQ(plan.notifications_queued[static_cast<size_t>(dsn::Kind::kFailed)], 1);
}

TEST_F(SettlementTest, ReturnedMailOfTheNullSenderIsNotAnswered) {
  delivery_.mutable_envelope()->clear_return_path();
  AddOutcome(smtp::Disposition::kPermanentFailure, refused_);
  EXPECT_FALSE(MayNotify(delivery_, attempt_, context_));
  const SettlementPlan plan = Plan();
  EXPECT_EQ(plan.settlement.follow_ups_size(), 0);
  EXPECT_EQ(plan.settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_RETURNED);
  EXPECT_EQ(plan.notifications_suppressed[static_cast<size_t>(dsn::Kind::kFailed)], 1);
}

TEST_F(SettlementTest, LostAnswerIsMarkedUnknownAndTriedAgain) {
  AddOutcome(smtp::Disposition::kUnknown, later_);
  const SettlementPlan plan = Plan();
  EXPECT_EQ(plan.settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_UNKNOWN);
  EXPECT_TRUE(plan.settlement.has_defer_until());
}

TEST_F(SettlementTest, DelayIsReportedOnce) {
  AddOutcome(smtp::Disposition::kTransientFailure, later_);
  SetAge(absl::Hours(5));
  SettlementPlan plan = Plan();
  ASSERT_EQ(plan.settlement.follow_ups_size(), 1);
  EXPECT_TRUE(plan.settlement.delay_warned());
  EXPECT_THAT(plan.settlement.follow_ups(0).inline_content(), HasSubstr("Action: delayed"));
  EXPECT_THAT(plan.settlement.follow_ups(0).inline_content(), HasSubstr("Will-Retry-Until: "));

  delivery_.set_delay_warned(true);
  plan = Plan();
  EXPECT_EQ(plan.settlement.follow_ups_size(), 0);
  EXPECT_TRUE(plan.settlement.has_defer_until());
}

TEST_F(SettlementTest, ExpiredMailIsReturnedWithTheLastFailure) {
  AddOutcome(smtp::Disposition::kTransientFailure, later_);
  SetAge(absl::Hours(121));
  EXPECT_TRUE(MayNotify(delivery_, attempt_, context_));
  const SettlementPlan plan = Plan();
  EXPECT_EQ(plan.settlement.outcomes(0).disposition(), spool::v1::DISPOSITION_RETURNED);
  EXPECT_EQ(plan.settlement.rest_case(), spool::v1::Settlement::REST_NOT_SET);
  ASSERT_EQ(plan.settlement.follow_ups_size(), 1);
  EXPECT_THAT(plan.settlement.follow_ups(0).inline_content(), HasSubstr("Status: 4.4.7"));
  EXPECT_THAT(plan.settlement.follow_ups(0).inline_content(), HasSubstr("450 4.2.0 Try later"));
}

TEST_F(SettlementTest, ExpiredMailIsParkedWhereThatIsConfigured) {
  policy_.parks_expired = true;
  AddOutcome(smtp::Disposition::kTransientFailure, later_);
  SetAge(absl::Hours(121));
  const SettlementPlan plan = Plan();
  EXPECT_TRUE(plan.settlement.park());
  EXPECT_EQ(plan.settlement.follow_ups_size(), 0);
}

TEST_F(SettlementTest, MessageWhoseContentIsDamagedIsSetAside) {
  AddOutcome(smtp::Disposition::kTransientFailure, later_);
  attempt_.is_damaged = true;
  EXPECT_TRUE(Plan().settlement.park());
}

TEST_F(SettlementTest, SuccessIsReportedWhereThePeerDoesNotDoIt) {
  delivery_.mutable_recipients(0)->add_dsn_notify(mail::v1::DSN_NOTIFY_SUCCESS);
  AddOutcome(smtp::Disposition::kDelivered, accepted_);
  EXPECT_TRUE(MayNotify(delivery_, attempt_, context_));
  EXPECT_THAT(Plan().settlement.follow_ups(0).inline_content(), HasSubstr("Action: relayed"));
  attempt_.is_lmtp = true;
  EXPECT_THAT(Plan().settlement.follow_ups(0).inline_content(), HasSubstr("Action: delivered"));
  attempt_.peers[0].notifies = true;
  EXPECT_EQ(Plan().settlement.follow_ups_size(), 0);
}

TEST_F(SettlementTest, OurOwnWordsAreNotPutIntoTheHostsMouth) {
  AddOutcome(smtp::Disposition::kPermanentFailure, refused_);
  attempt_.outcomes[0].is_from_peer = false;
  EXPECT_THAT(Plan().settlement.follow_ups(0).inline_content(), HasSubstr("x-turnpike; 550"));
}

TEST_F(SettlementTest, EachRecipientKeepsTheHostThatDecided) {
  AddRecipient("carl@example.net", 5);
  AddOutcome(smtp::Disposition::kDelivered, accepted_);
  AddOutcome(smtp::Disposition::kPermanentFailure, refused_);
  attempt_.peers[1].host = "mx2.example.net [192.0.2.2]:25";
  const SettlementPlan plan = Plan();
  EXPECT_EQ(plan.settlement.outcomes(0).host(), kHost);
  EXPECT_EQ(plan.settlement.outcomes(1).host(), "mx2.example.net [192.0.2.2]:25");
  ASSERT_EQ(plan.settlement.follow_ups_size(), 1);
  EXPECT_THAT(plan.settlement.follow_ups(0).inline_content(),
              HasSubstr("Remote-MTA: dns; mx2.example.net"));
}

TEST_F(SettlementTest, MailThatLeavesInRoundsIsDueAtTheBeginningOfOne) {
  AddOutcome(smtp::Disposition::kTransientFailure, later_);
  context_.round = absl::Minutes(30);
  const SettlementPlan plan = Plan();
  EXPECT_EQ(plan.settlement.defer_until().seconds() % 1800, 0);
  EXPECT_GE(plan.retry.next_attempt_time, context_.now + absl::Minutes(4));
  EXPECT_LE(plan.retry.next_attempt_time, context_.now + absl::Minutes(36));
}

}  // namespace
}  // namespace turnpike::delivery
