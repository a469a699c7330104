#include "services/common/smtp/data_decoder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace turnpike::smtp {
namespace {

using Violation = LineDiscipline::Violation;

struct Decoded {
  std::string content;
  std::string rest;  // what follows the end of data
  bool is_end = false;
  Violation violation = Violation::kNone;
  bool is_too_big = false;

  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded Decode(absl::string_view input, size_t step = std::string::npos,
               DataDecoder::Limits limits = {}) {
  DataDecoder decoder(limits);
  Decoded decoded;
  while (!input.empty() && !decoded.is_end) {
    absl::string_view piece = input.substr(0, step);
    const size_t piece_size = piece.size();
    decoded.is_end = decoder.Decode(&piece, &decoded.content);
    input.remove_prefix(piece_size - piece.size());
  }
  decoded.rest = std::string(input);
  decoded.violation = decoder.violation();
  decoded.is_too_big = decoder.is_too_big();
  return decoded;
}

TEST(DataDecoderTest, ContentIsUnstuffedWhereverItIsCut) {
  const std::string input = "Subject: x\r\n\r\n..\r\n.hidden\r\n...\r\na.b\r\n.\r\nQUIT\r\n";
  for (size_t step = 1; step <= input.size(); ++step) {
    const Decoded decoded = Decode(input, step);
    EXPECT_TRUE(decoded.is_end);
    EXPECT_EQ(decoded.violation, Violation::kNone);
    EXPECT_EQ(decoded.content, "Subject: x\r\n\r\n.\r\nhidden\r\n..\r\na.b\r\n") << step;
    EXPECT_EQ(decoded.rest, "QUIT\r\n");
  }
}

TEST(DataDecoderTest, AnEmptyMessageEndsAtOnce) {
  for (size_t step = 1; step <= 3; ++step) {
    const Decoded decoded = Decode(".\r\nRSET\r\n", step);
    EXPECT_TRUE(decoded.is_end);
    EXPECT_EQ(decoded.content, "");
    EXPECT_EQ(decoded.rest, "RSET\r\n");
  }
}

TEST(DataDecoderTest, OnlyCrLfDotCrLfEndsTheData) {
  const std::string nul(1, '\0');
  const std::vector<std::string> line_ends = {
      "\r\n",     "\n",           "\r",    "\r\r\n", "\n\r",
      "\r\r",     "\n\n",         nul,     "\v",     "\f",
      "\xc2\x85", "\xe2\x80\xa8", " \r\n", "\t\r\n", absl::StrCat("\r", nul, "\n"),
      "\b"};
  std::vector<std::string> middles;
  for (const std::string& before : line_ends) {
    for (const std::string& after : line_ends) {
      middles.push_back(absl::StrCat(before, ".", after));
    }
  }
  for (const std::string& odd :
       {absl::StrCat("\r\n", nul, ".\r\n"), absl::StrCat("\r\n.", nul, "\r\n"),
        std::string("\r\n\b.\r\n"), std::string("\r\n.\b\r\n"), std::string("\r\n\xef\xbc\x8e\r\n"),
        std::string("\r\n.\r\r\n"), std::string("\r\n. \r\n"), std::string("\r\n..\r\n"),
        std::string("\n.\r\n"), std::string("\r\n.\n"), std::string("\r.\r\n"),
        std::string("\r\n.\r")}) {
    middles.push_back(odd);
  }
  for (const std::string& middle : middles) {
    // [RFC5321 2.3.8] a CR LF before and after the dot, whatever stands before that.
    const bool is_end = middle == "\r\n.\r\n" || middle == "\r\r\n.\r\n" ||
                        middle == " \r\n.\r\n" || middle == "\t\r\n.\r\n";
    if (is_end) continue;
    const std::string smuggled = "MAIL FROM:<evil@a.b>\r\n";
    const std::string input = absl::StrCat("text", middle, smuggled, "\r\n.\r\nQUIT\r\n");
    const Decoded whole = Decode(input);
    EXPECT_TRUE(whole.is_end) << testing::PrintToString(middle);
    EXPECT_EQ(whole.rest, "QUIT\r\n") << testing::PrintToString(middle);
    for (size_t step = 1; step < input.size(); ++step) {
      EXPECT_EQ(Decode(input, step).rest, whole.rest) << testing::PrintToString(middle);
      EXPECT_EQ(Decode(input, step).violation, whole.violation) << testing::PrintToString(middle);
    }
    // The same when the message is refused for its size meanwhile.
    EXPECT_EQ(Decode(input, 3, {.content_bytes_max = 2}).rest, "QUIT\r\n");
  }
}

TEST(DataDecoderTest, BareLineEndsAndNulAreViolations) {
  EXPECT_EQ(Decode("a\nb\r\n.\r\n").violation, Violation::kBareNewline);
  EXPECT_EQ(Decode("a\rb\r\n.\r\n").violation, Violation::kBareNewline);
  EXPECT_EQ(Decode("a\r\n.\n.\r\n\r\n.\r\n").violation, Violation::kBareNewline);
  EXPECT_EQ(Decode(absl::string_view("a\0\r\n.\r\n", 7)).violation, Violation::kNul);
}

TEST(DataDecoderTest, LinesMayBeAsLongAsTheLimit) {
  const DataDecoder::Limits limits = {.line_bytes_max = 998};
  const std::string line(998, 'x');
  EXPECT_EQ(Decode(line + "\r\n.\r\n", 7, limits).violation, Violation::kNone);
  EXPECT_EQ(Decode(line + "x\r\n.\r\n", 7, limits).violation, Violation::kLineTooLong);
  EXPECT_TRUE(Decode(std::string(1 << 20, 'x') + "\r\n.\r\n", 4096, limits).is_end);
}

TEST(DataDecoderTest, NothingIsKeptPastTheSizeLimit) {
  const DataDecoder::Limits limits = {.content_bytes_max = 10};
  EXPECT_FALSE(Decode("12345678\r\n.\r\n", 3, limits).is_too_big);
  const Decoded decoded = Decode("123456789\r\n.hidden\r\n.\r\nQUIT", 3, limits);
  EXPECT_TRUE(decoded.is_too_big);
  EXPECT_LE(decoded.content.size(), 10u);
  EXPECT_EQ(decoded.rest, "QUIT");
}

TEST(DataDecoderTest, DiscardedContentEndsWhereItWouldHave) {
  DataDecoder decoder({});
  std::string content;
  absl::string_view input = "one\r\n";
  EXPECT_FALSE(decoder.Decode(&input, &content));
  decoder.Discard();
  input = "two\n.\n\r\n.\r\nQUIT";
  EXPECT_TRUE(decoder.Decode(&input, &content));
  EXPECT_EQ(input, "QUIT");
  EXPECT_EQ(content, "one\r\n");
}

TEST(DataDecoderTest, RandomInputIsReadAlikeHoweverItIsCut) {
  std::mt19937 random(1);
  const absl::string_view alphabet("\r\n.\r\n.a\0", 8);
  for (int round = 0; round < 2000; ++round) {
    std::string input;
    for (int i = 0; i < 40; ++i) input += alphabet[random() % alphabet.size()];
    input += "\r\n.\r\n";
    const Decoded whole = Decode(input);
    for (size_t step : {1u, 2u, 3u, 5u, 7u}) {
      Decoded cut = Decode(input, step);
      EXPECT_EQ(cut.rest, whole.rest);
      EXPECT_EQ(cut.violation, whole.violation);
      if (whole.violation == Violation::kNone) {
        EXPECT_EQ(cut.content, whole.content);
      }
    }
  }
}

}  // namespace
}  // namespace turnpike::smtp
