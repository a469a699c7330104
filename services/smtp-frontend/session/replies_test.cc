#include "services/smtp-frontend/session/replies.h"

#include <gtest/gtest.h>

#include <string>

#include "services/common/smtp/reply_codes.h"

namespace turnpike::frontend {
namespace {

TEST(RepliesTest, ReplyOfAnotherServiceIsSaidAsItIs) {
  mail::v1::Reply proto;
  proto.set_code(450);
  proto.set_enhanced_code("4.7.1");
  proto.set_text("Not now");
  EXPECT_EQ(ReplyFromProto(proto).ToString(), "450 4.7.1 Not now");
}

TEST(RepliesTest, ReplyWithoutACodeBecomesATemporaryFailure) {
  EXPECT_EQ(ReplyFromProto(mail::v1::Reply()), smtp::Reply(smtp::kTemporaryFailure));
}

TEST(RepliesTest, BadEnhancedCodeIsLeftOut) {
  mail::v1::Reply proto;
  proto.set_code(250);
  proto.set_enhanced_code("x");
  proto.set_text("OK");
  EXPECT_EQ(ReplyFromProto(proto).ToString(), "250 OK");
}

TEST(RepliesTest, PeersWordsAreMadeHarmlessAndCut) {
  const mail::v1::Reply proto =
      ReplyToProto(smtp::Reply(550, {5, 1, 1}, "a\rb\nc\x80" + std::string(3000, 'x')));
  EXPECT_EQ(proto.code(), 550);
  EXPECT_EQ(proto.enhanced_code(), "5.1.1");
  EXPECT_EQ(proto.text().size(), 2048u);
  EXPECT_EQ(proto.text().substr(0, 6), "a?b\nc?");
}

TEST(RepliesTest, NoFailureOfTheSpoolReadsAsSuccess) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "x");
    EXPECT_TRUE(SpoolFailureReply(status).is_transient()) << code;
  }
  EXPECT_EQ(SpoolFailureReply(absl::ResourceExhaustedError("full")).code(), 452);
  EXPECT_EQ(SpoolFailureReply(absl::UnavailableError("away")).code(), 451);
}

TEST(RepliesTest, RejectionsHaveReasonsFromAClosedSet) {
  EXPECT_EQ(RejectionReason(smtp::kRelayDenied), "relay_denied");
  EXPECT_EQ(RejectionReason(smtp::Reply(smtp::kNoSuchUser, "no such user here")),
            "unknown_recipient");
  EXPECT_EQ(RejectionReason(smtp::Reply(599, {}, "x")), "other");
}

}  // namespace
}  // namespace turnpike::frontend
