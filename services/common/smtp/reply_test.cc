#include "services/common/smtp/reply.h"

#include <gtest/gtest.h>

#include <string>

#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

std::string Wire(const Reply& reply) {
  std::string out;
  reply.AppendTo(&out);
  return out;
}

TEST(EnhancedCodeTest, OnlyWellFormedCodesAreRead) {
  EXPECT_EQ(EnhancedCode::Parse("5.7.0"), (EnhancedCode{5, 7, 0}));
  EXPECT_EQ(EnhancedCode::Parse("2.999.999"), (EnhancedCode{2, 999, 999}));
  for (absl::string_view text :
       {"", "5", "5.7", "5.7.0.1", "3.1.1", "1.0.0", "05.1.1", "5.01.1", "5.1.1000", "5.-1.1",
        "5.a.1", "5..1", "5.1.", " 5.1.1", "5.1.1 "}) {
    EXPECT_FALSE(EnhancedCode::Parse(text)) << text;
  }
}

TEST(ReplyTest, NamedCodesBecomeLines) {
  EXPECT_EQ(Wire(kAuthRequired), "530 5.7.0 Authentication required\r\n");
  EXPECT_EQ(Wire(kStartMailInput), "354 End data with <CR><LF>.<CR><LF>\r\n");
}

TEST(ReplyTest, EveryLineCarriesCodeAndEnhancedCode) {
  EXPECT_EQ(Wire(Reply(550, {5, 7, 1}, "one\ntwo\n")),
            "550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 \r\n");
  EXPECT_EQ(Wire(Reply(250, {}, "host\nSIZE 1")), "250-host\r\n250 SIZE 1\r\n");
}

TEST(ReplyTest, IntermediateRepliesHaveNoEnhancedCode) {
  EXPECT_EQ(Wire(Reply(334, {5, 7, 0}, "x")), "334 x\r\n");
}

TEST(ReplyTest, WhatIsNotPrintableNeverReachesTheWire) {
  std::string text;
  for (int c = 0; c < 256; ++c) {
    if (c != '\n') text += static_cast<char>(c);
  }
  const std::string wire = Wire(Reply(550, {5, 1, 1}, text));
  for (size_t i = 0; i + 2 < wire.size(); ++i) {
    EXPECT_GE(wire[i], ' ') << i;
    EXPECT_LE(wire[i], '~') << i;
  }
  EXPECT_EQ(wire.substr(wire.size() - 2), "\r\n");
  EXPECT_EQ(Wire(Reply(550, {}, "a\r\nb")), "550-a?\r\n550 b\r\n");
}

TEST(ReplyTest, LinesAreCutAtTheLimit) {
  const std::string wire = Wire(Reply(550, {5, 1, 1}, std::string(10'000, 'x')));
  EXPECT_EQ(wire.size(), 512u);
}

TEST(ReplyTest, OneLineFormDropsTheRest) {
  std::string out;
  Reply(250, {2, 0, 0}, "one\ntwo").AppendOneLineTo(&out);
  EXPECT_EQ(out, "250 2.0.0 one\r\n");
}

TEST(ReplyTest, ClassesFollowTheFirstDigit) {
  EXPECT_TRUE(Reply(kOk).is_positive());
  EXPECT_TRUE(Reply(kStartMailInput).is_intermediate());
  EXPECT_TRUE(Reply(kTemporaryFailure).is_transient());
  EXPECT_TRUE(Reply(kNoSuchUser).is_permanent());
  EXPECT_FALSE(Reply().is_positive());
}

TEST(ReplyTest, LogFormIsOneLine) {
  EXPECT_EQ(Reply(550, {5, 1, 1}, "No\nsuch \x01user").ToString(), "550 5.1.1 No/such ?user");
}

}  // namespace
}  // namespace turnpike::smtp
