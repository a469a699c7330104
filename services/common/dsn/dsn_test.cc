#include "services/common/dsn/dsn.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::dsn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

routing::DomainClasses MakeClasses() {
  config::v1::Config config;
  config.set_hostname("mx.example.org");
  config.add_gateways()->set_domain("branch.example");
  config.add_local_domains()->set_domain("local.example");
  return routing::DomainClasses(config);
}

RecipientReport MakeRecipient(const std::string& address,
                              std::vector<mail::v1::DsnNotify> notify = {}) {
  RecipientReport report;
  report.recipient.set_address(address);
  for (mail::v1::DsnNotify value : notify) report.recipient.add_dsn_notify(value);
  report.reply.set_code(550);
  report.reply.set_text("no");
  report.host = "mx [192.0.2.1]:25";
  return report;
}

std::optional<spool::v1::NewMessage> Make(Kind kind, const std::string& sender,
                                          const std::vector<RecipientReport>& recipients) {
  static const routing::DomainClasses* const classes = new routing::DomainClasses(MakeClasses());
  mail::v1::Envelope envelope;
  envelope.set_return_path(sender);
  envelope.set_smtputf8(true);
  const Original original{.envelope = &envelope,
                          .received_time = absl::FromUnixSeconds(1795000000),
                          .content = "Subject: x\r\n\r\n",
                          .content_is_complete = true};
  const Context context{.host_name = "mx.example.org",
                        .id = base::MessageId::Generate(absl::FromUnixSeconds(1795000100)),
                        .now = absl::FromUnixSeconds(1795000100)};
  return FollowUpFor(kind, original, recipients, context, *classes);
}

TEST(FollowUpForTest, NullSenderIsNeverAnswered) {
  EXPECT_FALSE(Make(Kind::kFailed, "", {MakeRecipient("bob@example.net")}).has_value());
}

TEST(FollowUpForTest, MessageIsReadyForTheSpool) {
  const auto message = Make(Kind::kFailed, "ann@far.example", {MakeRecipient("bob@example.net")});
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_id().size(), base::MessageId::kBytes);
  EXPECT_EQ(message->envelope().return_path(), "");
  ASSERT_EQ(message->deliveries_size(), 1);
  const spool::v1::NewDelivery& delivery = message->deliveries(0);
  EXPECT_EQ(delivery.queue().kind(), spool::v1::QUEUE_KIND_REMOTE);
  EXPECT_EQ(delivery.queue().name(), "far.example");
  EXPECT_FALSE(delivery.hold());
  ASSERT_EQ(delivery.recipients_size(), 1);
  EXPECT_EQ(delivery.recipients(0).address(), "ann@far.example");
  EXPECT_THAT(delivery.recipients(0).dsn_notify(),
              ::testing::ElementsAre(mail::v1::DSN_NOTIFY_NEVER));
  EXPECT_EQ(message->content_bytes(), static_cast<int64_t>(message->inline_content().size()));
  EXPECT_EQ(message->received_time().seconds(), 1795000100);
}

TEST(FollowUpForTest, SenderInAGatewayFindsTheReportHeld) {
  const auto message = Make(Kind::kFailed, "ann@branch.example", {MakeRecipient("b@c.example")});
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->deliveries(0).queue().kind(), spool::v1::QUEUE_KIND_GATEWAY);
  EXPECT_TRUE(message->deliveries(0).hold());
}

TEST(FollowUpForTest, LocalSenderGetsItInTheLocalQueue) {
  const auto message = Make(Kind::kFailed, "ann@local.example", {MakeRecipient("b@c.example")});
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->deliveries(0).queue().kind(), spool::v1::QUEUE_KIND_LOCAL);
}

TEST(FollowUpForTest, OnlyRecipientsWithTheFittingNotifyAreReported) {
  const auto message = Make(Kind::kFailed, "ann@far.example",
                            {MakeRecipient("never@x.example", {mail::v1::DSN_NOTIFY_NEVER}),
                             MakeRecipient("failure@x.example", {mail::v1::DSN_NOTIFY_FAILURE}),
                             MakeRecipient("success@x.example", {mail::v1::DSN_NOTIFY_SUCCESS})});
  ASSERT_TRUE(message.has_value());
  EXPECT_THAT(message->inline_content(), HasSubstr("failure@x.example"));
  EXPECT_THAT(message->inline_content(), Not(HasSubstr("never@x.example")));
  EXPECT_THAT(message->inline_content(), Not(HasSubstr("success@x.example")));
}

TEST(FollowUpForTest, UnusableReturnPathGetsNothing) {
  EXPECT_FALSE(Make(Kind::kFailed, "not an address", {MakeRecipient("b@c.example")}).has_value());
}

TEST(FollowUpForTest, Utf8ReturnPathNeedsSmtpUtf8) {
  const auto message = Make(Kind::kFailed, "\xc3\xbc@far.example", {MakeRecipient("b@c.example")});
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->envelope().smtputf8());
  EXPECT_EQ(message->envelope().body_type(), mail::v1::BODY_TYPE_8BITMIME);
}

TEST(IsWantedTest, WithoutNotifyFailuresAndDelaysAreReported) {
  const mail::v1::Recipient recipient = MakeRecipient("b@c.example").recipient;
  EXPECT_TRUE(IsWanted(Kind::kFailed, recipient));
  EXPECT_TRUE(IsWanted(Kind::kDelayed, recipient));
  EXPECT_FALSE(IsWanted(Kind::kDelivered, recipient));
  EXPECT_FALSE(IsWanted(Kind::kRelayed, recipient));
}

TEST(IsWantedTest, SuccessAndDelayAreReportedWhenAskedFor) {
  const mail::v1::Recipient success =
      MakeRecipient("b@c.example", {mail::v1::DSN_NOTIFY_SUCCESS}).recipient;
  EXPECT_TRUE(IsWanted(Kind::kDelivered, success));
  EXPECT_TRUE(IsWanted(Kind::kRelayed, success));
  EXPECT_FALSE(IsWanted(Kind::kDelayed, success));
  const mail::v1::Recipient delay =
      MakeRecipient("b@c.example", {mail::v1::DSN_NOTIFY_DELAY}).recipient;
  EXPECT_TRUE(IsWanted(Kind::kDelayed, delay));
  EXPECT_FALSE(IsWanted(Kind::kFailed, delay));
}

}  // namespace
}  // namespace turnpike::dsn
