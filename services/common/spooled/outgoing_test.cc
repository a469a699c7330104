#include "services/common/spooled/outgoing.h"

#include "gtest/gtest.h"

namespace turnpike::spooled {
namespace {

spool::v1::LeasedDelivery MakeDelivery() {
  spool::v1::LeasedDelivery delivery;
  delivery.mutable_envelope()->set_return_path("ann@example.org");
  delivery.add_recipients()->set_address("bob@example.net");
  delivery.set_content_bytes(123);
  return delivery;
}

TEST(MakeOutgoingMessageTest, EveryEnvelopeParameterIsPassedOn) {
  spool::v1::LeasedDelivery delivery = MakeDelivery();
  mail::v1::Envelope* envelope = delivery.mutable_envelope();
  envelope->set_body_type(mail::v1::BODY_TYPE_8BITMIME);
  envelope->set_smtputf8(true);
  envelope->set_require_tls(true);
  envelope->set_dsn_return(mail::v1::DSN_RETURN_HEADERS);
  envelope->set_dsn_envelope_id("id-1");
  delivery.mutable_recipients(0)->add_dsn_notify(mail::v1::DSN_NOTIFY_SUCCESS);
  delivery.mutable_recipients(0)->add_dsn_notify(mail::v1::DSN_NOTIFY_DELAY);
  delivery.mutable_recipients(0)->set_dsn_original_recipient("rfc822;robert@example.com");
  smtp::HeaderFacts facts;
  facts.body_has_8bit = true;

  const auto message = MakeOutgoingMessage(delivery, facts);
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->return_path.ToString(), "ann@example.org");
  EXPECT_EQ(message->parameters.size_bytes, 123u);
  EXPECT_EQ(message->parameters.body, smtp::BodyType::k8BitMime);
  EXPECT_TRUE(message->parameters.smtp_utf8);
  EXPECT_TRUE(message->parameters.require_tls);
  EXPECT_EQ(message->parameters.ret, smtp::DsnReturn::kHeaders);
  EXPECT_EQ(message->parameters.envelope_id, "id-1");
  ASSERT_EQ(message->recipients.size(), 1u);
  EXPECT_EQ(message->recipients[0].parameters.notify,
            (smtp::DsnNotify{.success = true, .delay = true}));
  EXPECT_EQ(message->recipients[0].parameters.original_recipient->ToString(),
            "rfc822;robert@example.com");
  EXPECT_TRUE(message->body_has_8bit);
  EXPECT_FALSE(message->header_has_8bit);
}

TEST(MakeOutgoingMessageTest, WhatWasNotGivenIsNotMadeUp) {
  const auto message = MakeOutgoingMessage(MakeDelivery(), {});
  ASSERT_TRUE(message.ok());
  EXPECT_FALSE(message->parameters.body.has_value());
  EXPECT_FALSE(message->parameters.ret.has_value());
  EXPECT_FALSE(message->parameters.envelope_id.has_value());
  EXPECT_FALSE(message->recipients[0].parameters.notify.has_value());
  EXPECT_FALSE(message->recipients[0].parameters.original_recipient.has_value());
}

TEST(MakeOutgoingMessageTest, NullSenderStaysNull) {
  spool::v1::LeasedDelivery delivery = MakeDelivery();
  delivery.mutable_envelope()->clear_return_path();
  EXPECT_TRUE(MakeOutgoingMessage(delivery, {})->return_path.is_null());
}

TEST(MakeOutgoingMessageTest, UnreadableAddressIsAnError) {
  spool::v1::LeasedDelivery delivery = MakeDelivery();
  delivery.mutable_recipients(0)->set_address("bob@example.net\r\nDATA");
  EXPECT_EQ(MakeOutgoingMessage(delivery, {}).status().code(), absl::StatusCode::kInvalidArgument);
  delivery.clear_recipients();
  EXPECT_FALSE(MakeOutgoingMessage(delivery, {}).ok());
}

TEST(AssumeFactsTest, FollowsTheEnvelope) {
  mail::v1::Envelope envelope;
  EXPECT_FALSE(AssumeFacts(envelope).body_has_8bit);
  envelope.set_body_type(mail::v1::BODY_TYPE_8BITMIME);
  EXPECT_TRUE(AssumeFacts(envelope).body_has_8bit);
  EXPECT_FALSE(AssumeFacts(envelope).header_has_8bit);
  envelope.set_smtputf8(true);
  EXPECT_TRUE(AssumeFacts(envelope).header_has_8bit);
}

}  // namespace
}  // namespace turnpike::spooled
