#include "services/common/smtp/reply_parser.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace turnpike::smtp {
namespace {

using Result = ReplyParser::Result;

// The replies in `input`, each as text, then `error` or `more` if that is how it ends. Fed in
// pieces of `step` octets.
std::vector<std::string> ReadAll(absl::string_view input, size_t step = std::string::npos,
                                 ReplyParser::Limits limits = {}) {
  ReplyParser parser(limits);
  std::vector<std::string> replies;
  while (!input.empty()) {
    absl::string_view piece = input.substr(0, step);
    input.remove_prefix(piece.size());
    while (!piece.empty()) {
      switch (parser.Parse(&piece)) {
        case Result::kNeedMore:
          break;
        case Result::kReply:
          replies.push_back(parser.TakeReply().ToString());
          break;
        case Result::kProtocolError:
          replies.push_back("error");
          return replies;
      }
    }
  }
  if (parser.is_inside_reply()) replies.push_back("more");
  return replies;
}

using Replies = std::vector<std::string>;

TEST(ReplyParserTest, RepliesAreReadWhereverTheyAreCut) {
  const std::string input =
      "220 mx ready\r\n250-mx\r\n250-SIZE 10\r\n250 DSN\r\n550 5.1.1 No such user\r\n"
      "250-2.0.0 a\r\n250 2.0.0 b\r\n354\r\n250 \r\n";
  const Replies expected = {
      "220 mx ready", "250 mx/SIZE 10/DSN", "550 5.1.1 No such user", "250 2.0.0 a/b", "354 ",
      "250 "};
  for (size_t step = 1; step <= input.size(); ++step) {
    EXPECT_EQ(ReadAll(input, step), expected) << step;
  }
}

TEST(ReplyParserTest, EnhancedCodeOfAnotherClassIsText) {
  EXPECT_EQ(ReadAll("250 5.1.1 odd\r\n"), Replies{"250 5.1.1 odd"});
  ReplyParser parser;
  absl::string_view input = "250 5.1.1 odd\r\n";
  ASSERT_EQ(parser.Parse(&input), Result::kReply);
  const Reply reply = parser.TakeReply();
  EXPECT_FALSE(reply.enhanced().is_present());
  EXPECT_EQ(reply.text(), "5.1.1 odd");
}

TEST(ReplyParserTest, BrokenRepliesAreProtocolErrors) {
  for (absl::string_view input :
       {"hello\r\n", "\r\n", "2\r\n", "25\r\n", "25x ok\r\n", "250ok\r\n", "250_ok\r\n",
        "199 no\r\n", "100 no\r\n", "600 no\r\n", "999 no\r\n", "000 no\r\n", "-50 no\r\n",
        "250-a\r\n251 b\r\n", "250-a\r\nb\r\n", "250 ok\n", "\n", " 250 ok\r\n",
        "HTTP/1.1 200\r\n"}) {
    EXPECT_EQ(ReadAll(input).back(), "error") << testing::PrintToString(input);
    EXPECT_EQ(ReadAll(input, 1).back(), "error") << testing::PrintToString(input);
  }
}

TEST(ReplyParserTest, OddOctetsInTextsAreReplaced) {
  EXPECT_EQ(ReadAll("250 a\rb\tc\x7f\xc3\xbc\r\n"), Replies{"250 a?b?c???"});
  EXPECT_EQ(ReadAll(absl::string_view("250 a\0b\r\n", 9)), Replies{"250 a?b"});
  EXPECT_EQ(ReadAll("250 a\r\r\n"), Replies{"250 a?"});
}

TEST(ReplyParserTest, LongLinesAreToleratedUpToTheLimit) {
  const std::string text(1024 - 6, 'x');
  EXPECT_EQ(ReadAll(absl::StrCat("250 ", text, "\r\n")), Replies{absl::StrCat("250 ", text)});
  EXPECT_EQ(ReadAll(absl::StrCat("250 ", text, "x\r\n")), Replies{"error"});
  EXPECT_EQ(ReadAll(std::string(1 << 20, 'x')), Replies{"error"});
  EXPECT_EQ(ReadAll(std::string(1 << 20, 'x'), 100), Replies{"error"});
}

TEST(ReplyParserTest, EndlessRepliesAreCutOff) {
  std::string input;
  for (int i = 0; i < 5000; ++i) input += "250-\r\n";
  EXPECT_EQ(ReadAll(input), Replies{"error"});
  input.clear();
  for (int i = 0; i < 200; ++i) absl::StrAppend(&input, "250-", std::string(500, 'x'), "\r\n");
  EXPECT_EQ(ReadAll(input, 1000), Replies{"error"});
}

TEST(ReplyParserTest, ErrorsStay) {
  ReplyParser parser;
  absl::string_view input = "x\r\n250 ok\r\n";
  EXPECT_EQ(parser.Parse(&input), Result::kProtocolError);
  EXPECT_EQ(parser.Parse(&input), Result::kProtocolError);
  EXPECT_FALSE(parser.error().empty());
}

TEST(ReplyParserTest, WhatFollowsAReplyIsLeft) {
  ReplyParser parser;
  absl::string_view input = "220 go\r\n250 injected\r\n";
  EXPECT_EQ(parser.Parse(&input), Result::kReply);
  EXPECT_EQ(input, "250 injected\r\n");
}

}  // namespace
}  // namespace turnpike::smtp
