#include "services/smtp-frontend/session/transaction.h"

#include <gtest/gtest.h>

namespace turnpike::frontend {
namespace {

smtp::Path PathOf(absl::string_view text) { return *smtp::Path::Parse(text, {}); }

auth::v1::Verdict VerdictFor(auth::v1::RecipientClass recipient_class, const std::string& queue) {
  auth::v1::Verdict verdict;
  verdict.set_accepted(true);
  verdict.set_recipient_class(recipient_class);
  verdict.set_queue(queue);
  return verdict;
}

TEST(TransactionTest, RecipientsAreSplitByQueueAndGatewaysAreHeld) {
  Transaction transaction(PathOf("ann@example.net"), {});
  const auto gateway = VerdictFor(auth::v1::RECIPIENT_CLASS_GATEWAY, "example.org");
  const auto remote = VerdictFor(auth::v1::RECIPIENT_CLASS_REMOTE, "example.com");
  ASSERT_TRUE(transaction.AddRecipient(PathOf("a@example.org"), {}, gateway).ok());
  EXPECT_EQ(transaction.only_recipient(), "a@example.org");
  ASSERT_TRUE(transaction.AddRecipient(PathOf("b@example.com"), {}, remote).ok());
  ASSERT_TRUE(transaction.AddRecipient(PathOf("c@alias.example.org"), {}, gateway).ok());
  EXPECT_EQ(transaction.only_recipient(), "");
  EXPECT_EQ(transaction.recipient_count(), 3u);

  const spool::v1::NewMessage message = std::move(transaction).TakeMessage();
  ASSERT_EQ(message.deliveries_size(), 2);
  EXPECT_EQ(message.envelope().return_path(), "ann@example.net");
  EXPECT_EQ(message.deliveries(0).queue().name(), "example.org");
  EXPECT_EQ(message.deliveries(0).queue().kind(), spool::v1::QUEUE_KIND_GATEWAY);
  EXPECT_TRUE(message.deliveries(0).hold());
  ASSERT_EQ(message.deliveries(0).recipients_size(), 2);
  EXPECT_EQ(message.deliveries(0).recipients(1).address(), "c@alias.example.org");
  EXPECT_EQ(message.deliveries(1).queue().kind(), spool::v1::QUEUE_KIND_REMOTE);
  EXPECT_FALSE(message.deliveries(1).hold());
}

TEST(TransactionTest, EverythingOfTheEnvelopeIsKept) {
  smtp::MailParameters mail;
  mail.body = smtp::BodyType::kBinaryMime;
  mail.smtp_utf8 = true;
  mail.require_tls = true;
  mail.ret = smtp::DsnReturn::kHeaders;
  mail.envelope_id = "id 1";
  smtp::RcptParameters rcpt;
  rcpt.notify = smtp::DsnNotify{.success = true, .delay = true};
  rcpt.original_recipient = smtp::OriginalRecipient{"rfc822", "old@example.org"};
  Transaction transaction(smtp::Path(), mail);
  ASSERT_TRUE(transaction
                  .AddRecipient(PathOf("a@example.org"), rcpt,
                                VerdictFor(auth::v1::RECIPIENT_CLASS_LOCAL, "example.org"))
                  .ok());

  const spool::v1::NewMessage message = std::move(transaction).TakeMessage();
  EXPECT_EQ(message.envelope().return_path(), "");
  EXPECT_EQ(message.envelope().body_type(), mail::v1::BODY_TYPE_BINARYMIME);
  EXPECT_TRUE(message.envelope().smtputf8());
  EXPECT_TRUE(message.envelope().require_tls());
  EXPECT_EQ(message.envelope().dsn_return(), mail::v1::DSN_RETURN_HEADERS);
  EXPECT_EQ(message.envelope().dsn_envelope_id(), "id 1");
  const mail::v1::Recipient& recipient = message.deliveries(0).recipients(0);
  ASSERT_EQ(recipient.dsn_notify_size(), 2);
  EXPECT_EQ(recipient.dsn_notify(0), mail::v1::DSN_NOTIFY_SUCCESS);
  EXPECT_EQ(recipient.dsn_notify(1), mail::v1::DSN_NOTIFY_DELAY);
  EXPECT_EQ(recipient.dsn_original_recipient(), "rfc822;old@example.org");
}

TEST(TransactionTest, VerdictWithoutAQueueAddsNothing) {
  Transaction transaction(smtp::Path(), {});
  EXPECT_FALSE(transaction
                   .AddRecipient(PathOf("a@example.org"), {},
                                 VerdictFor(auth::v1::RECIPIENT_CLASS_UNSPECIFIED, "example.org"))
                   .ok());
  EXPECT_FALSE(transaction
                   .AddRecipient(PathOf("a@example.org"), {},
                                 VerdictFor(auth::v1::RECIPIENT_CLASS_GATEWAY, ""))
                   .ok());
  EXPECT_EQ(transaction.recipient_count(), 0u);
  EXPECT_EQ(transaction.queue_count(), 0u);
}

}  // namespace
}  // namespace turnpike::frontend
