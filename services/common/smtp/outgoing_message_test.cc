#include "services/common/smtp/outgoing_message.h"

#include <gtest/gtest.h>

#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

OutgoingMessage Message(absl::string_view sender = "a@b.c", absl::string_view recipient = "d@e.f") {
  const AddressOptions options = {.allow_utf8 = true};
  return {.return_path = *Path::Parse(sender, options),
          .recipients = {{*Path::Parse(recipient, options), {}}}};
}

TEST(FindHindranceTest, PlainMailGoesEverywhere) {
  EXPECT_EQ(FindHindrance(Message(), Capabilities()), std::nullopt);
  EXPECT_EQ(FindHindrance(Message("", "d@bücher.example"), Capabilities()), std::nullopt);
}

TEST(FindHindranceTest, InternationalMailNeedsSmtpUtf8) {
  Capabilities peer;
  peer.eight_bit_mime = true;
  OutgoingMessage header = Message();
  header.parameters.smtp_utf8 = true;
  EXPECT_EQ(FindHindrance(header, peer), std::nullopt);  // declared, but not needed
  header.header_has_8bit = true;
  for (const OutgoingMessage& message : {header, Message("ü@b.c"), Message("a@b.c", "ü@e.f")}) {
    EXPECT_EQ(FindHindrance(message, peer), Reply(kNeedsSmtpUtf8));
    Capabilities able = peer;
    able.smtp_utf8 = true;
    EXPECT_EQ(FindHindrance(message, able), std::nullopt);
  }
}

TEST(FindHindranceTest, EightBitContentNeeds8BitMime) {
  OutgoingMessage message = Message();
  message.parameters.body = BodyType::k8BitMime;
  EXPECT_EQ(FindHindrance(message, Capabilities()), std::nullopt);  // declared, but not needed
  message.body_has_8bit = true;
  EXPECT_EQ(FindHindrance(message, Capabilities()), Reply(kConversionRequired));
  Capabilities peer;
  peer.eight_bit_mime = true;
  EXPECT_EQ(FindHindrance(message, peer), std::nullopt);
}

TEST(FindHindranceTest, BinaryContentNeedsBinaryMimeAndChunking) {
  OutgoingMessage message = Message();
  message.parameters.body = BodyType::kBinaryMime;
  Capabilities peer;
  peer.eight_bit_mime = true;
  peer.binary_mime = true;
  EXPECT_EQ(FindHindrance(message, peer), Reply(kConversionRequired));
  peer.chunking = true;
  EXPECT_EQ(FindHindrance(message, peer), std::nullopt);
}

TEST(FindHindranceTest, RequireTlsAndSizeAreChecked) {
  OutgoingMessage message = Message();
  message.parameters.require_tls = true;
  EXPECT_EQ(FindHindrance(message, Capabilities()), Reply(kRequireTlsUnsupported));
  message = Message();
  message.parameters.size_bytes = 1001;
  Capabilities peer;
  peer.size = true;
  EXPECT_EQ(FindHindrance(message, peer), std::nullopt);  // no fixed limit
  peer.size_bytes_max = 1000;
  EXPECT_EQ(FindHindrance(message, peer), Reply(kMessageTooBig));
  message.parameters.size_bytes = 1000;
  EXPECT_EQ(FindHindrance(message, peer), std::nullopt);
}

}  // namespace
}  // namespace turnpike::smtp
