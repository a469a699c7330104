#include "services/gateway-dequeue/core/expiry.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "protos/turnpike/config/v1/config.pb.h"

namespace turnpike::dequeue {
namespace {

class ExpiryTest : public ::testing::Test {
 protected:
  ExpiryTest() {
    delivery_.mutable_token()->set_delivery_id(7);
    delivery_.mutable_token()->set_fence(3);
    delivery_.mutable_envelope()->set_return_path("ann@sender.example");
    AddRecipient("x@a.example", 0);
    AddRecipient("y@a.example", 2);
    delivery_.set_inline_content("Subject: hello\r\n\r\ntext\r\n");
    delivery_.set_content_bytes(static_cast<int64_t>(delivery_.inline_content().size()));
    delivery_.set_held(true);
  }
  void AddRecipient(const std::string& address, int index) {
    delivery_.add_recipients()->set_address(address);
    delivery_.add_recipient_indexes(index);
  }
  spool::v1::Settlement Expire() const {
    return ReturnExpired(delivery_, delivery_.inline_content(),
                         {.host_name = "gate.example",
                          .now = absl::FromUnixSeconds(1'700'000'000),
                          .retention = absl::Hours(168),
                          .classes = classes_,
                          .report_id = base::MessageId::Generate(absl::UnixEpoch())});
  }

  const routing::DomainClasses classes_{config::v1::Config()};
  spool::v1::LeasedDelivery delivery_;
};

TEST_F(ExpiryTest, EveryRecipientThatIsLeftIsReturned) {
  const spool::v1::Settlement settlement = Expire();
  EXPECT_EQ(settlement.token().delivery_id(), 7u);
  EXPECT_EQ(settlement.token().fence(), 3u);
  ASSERT_EQ(settlement.outcomes_size(), 2);
  EXPECT_EQ(settlement.outcomes(0).index(), 0);
  EXPECT_EQ(settlement.outcomes(1).index(), 2);
  for (const spool::v1::RecipientOutcome& outcome : settlement.outcomes()) {
    EXPECT_EQ(outcome.disposition(), spool::v1::DISPOSITION_RETURNED);
    EXPECT_EQ(outcome.reply().enhanced_code(), "5.4.7");
  }
}

TEST_F(ExpiryTest, TheSenderIsTold) {
  const spool::v1::Settlement settlement = Expire();
  ASSERT_EQ(settlement.follow_ups_size(), 1);
  const spool::v1::NewMessage& report = settlement.follow_ups(0);
  EXPECT_EQ(report.envelope().return_path(), "");
  EXPECT_EQ(report.deliveries(0).recipients(0).address(), "ann@sender.example");
  EXPECT_TRUE(absl::StrContains(report.inline_content(), "rfc822;x@a.example") ||
              absl::StrContains(report.inline_content(), "rfc822; x@a.example"))
      << report.inline_content();
  EXPECT_TRUE(absl::StrContains(report.inline_content(), "168h")) << report.inline_content();
  EXPECT_TRUE(absl::StrContains(report.inline_content(), "Subject: hello"));
}

TEST_F(ExpiryTest, TheNullSenderIsNotAnswered) {
  delivery_.mutable_envelope()->set_return_path("");
  const spool::v1::Settlement settlement = Expire();
  EXPECT_EQ(settlement.outcomes_size(), 2);
  EXPECT_EQ(settlement.follow_ups_size(), 0);
}

TEST_F(ExpiryTest, WhoWantsNoNotificationGetsNone) {
  delivery_.mutable_recipients(0)->add_dsn_notify(mail::v1::DSN_NOTIFY_NEVER);
  delivery_.mutable_recipients(1)->add_dsn_notify(mail::v1::DSN_NOTIFY_SUCCESS);
  EXPECT_EQ(Expire().follow_ups_size(), 0);
}

}  // namespace
}  // namespace turnpike::dequeue
