#include "services/turnpikectl/core/text.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::ctl {
namespace {

TEST(TextTest, WhatSteersATerminalIsMadeVisible) {
  EXPECT_EQ(Printable("\x1b]0;owned\x07"), "\\x1b]0;owned\\x07");
  EXPECT_EQ(Printable("a\r\nb\tc\x7f"), "a\\x0d\\nb\\x09c\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(Printable("\xe2\x80\xae"
                      "gpj"),
            "\\u{202e}gpj");
  EXPECT_EQ(Printable(std::string("\0", 1)), "\\x00");
}

TEST(TextTest, OctetsThatAreNoUtf8AreMadeVisibleAndTheRestStays) {
  EXPECT_EQ(Printable("J\xfcrg"), "J\\xfcrg");
  EXPECT_EQ(Printable("Jürg €"), "Jürg €");
}

TEST(TextTest, LinesStayLinesWhereTheyAreWanted) {
  EXPECT_EQ(PrintableLines("a: b\r\n\tc\r\rd\x1b\n"), "a: b\n\tc\\x0d\\x0dd\\x1b\n");
}

TEST(TextTest, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(Width("für"), 3u);
  EXPECT_EQ(CutTo(3, "für"), "für");
  EXPECT_EQ(CutTo(3, "fürs"), "fü…");
}

TEST(TextTest, AgesHaveTwoUnitsAtMost) {
  EXPECT_EQ(AgeText(-absl::Seconds(5)), "0s");
  EXPECT_EQ(AgeText(absl::Seconds(59)), "59s");
  EXPECT_EQ(AgeText(absl::Seconds(60)), "1m");
  EXPECT_EQ(AgeText(absl::Minutes(60)), "1h");
  EXPECT_EQ(AgeText(absl::Minutes(192)), "3h12m");
  EXPECT_EQ(AgeText(absl::Hours(102)), "4d6h");
}

TEST(TextTest, AgesAreRoundedToTheNearestUnitThatIsShown) {
  EXPECT_EQ(AgeText(absl::Milliseconds(400)), "0s");
  EXPECT_EQ(AgeText(absl::Milliseconds(900)), "1s");
  EXPECT_EQ(AgeText(absl::Milliseconds(59'400)), "59s");
  EXPECT_EQ(AgeText(absl::Milliseconds(59'600)), "1m");
  EXPECT_EQ(AgeText(absl::Seconds(89)), "1m");
  EXPECT_EQ(AgeText(absl::Seconds(119)), "2m");
  EXPECT_EQ(AgeText(absl::Hours(1) - absl::Seconds(20)), "1h");
  EXPECT_EQ(AgeText(absl::Hours(2) - absl::Milliseconds(10)), "2h");
  EXPECT_EQ(AgeText(absl::Hours(24) - absl::Seconds(31)), "23h59m");
  EXPECT_EQ(AgeText(absl::Hours(24) - absl::Seconds(20)), "1d");
  EXPECT_EQ(AgeText(absl::Hours(102) + absl::Minutes(59)), "4d7h");
}

TEST(TextTest, AgeOfATimeThatWasRoundedDownIsNeverFinerThanThat) {
  EXPECT_EQ(RoughAgeText(absl::Seconds(-3)), "<1m");
  EXPECT_EQ(RoughAgeText(absl::Seconds(59)), "<1m");
  EXPECT_EQ(RoughAgeText(absl::Seconds(60)), "1m");
  EXPECT_EQ(RoughAgeText(absl::Seconds(119)), "1m");
  EXPECT_EQ(RoughAgeText(absl::Minutes(192) + absl::Seconds(59)), "3h12m");
}

TEST(TextTest, ReleaseSaysWhatIsDueAndWhatIsDueAgain) {
  EXPECT_EQ(ReleaseText(12, 0), "12 released");
  EXPECT_EQ(ReleaseText(0, 1), "0 released, 1 released before is due again");
  EXPECT_EQ(ReleaseText(2, 3), "2 released, 3 released before are due again");
}

TEST(TextTest, SizesHaveTheNearestUnit) {
  EXPECT_EQ(BytesText(0), "0");
  EXPECT_EQ(BytesText(1023), "1023");
  EXPECT_EQ(BytesText(12'600), "12.3KiB");
  EXPECT_EQ(BytesText(int64_t{1} << 30), "1.0GiB");
  EXPECT_EQ(BytesText(int64_t{1} << 52), "4096.0TiB");
}

TEST(TextTest, TimesAreRfc3339InUtc) {
  EXPECT_EQ(TimeText(absl::FromUnixSeconds(1'700'000'000)), "2023-11-14T22:13:20Z");
  EXPECT_EQ(TimeText(absl::FromUnixMillis(1'700'000'000'120)), "2023-11-14T22:13:20.12Z");
}

TEST(TextTest, ReplyIsOneLineWithoutWhatItLacks) {
  Value reply;
  EXPECT_EQ(ReplyText(reply), "");
  reply.Set("code", 450);
  reply.Set("enhanced_code", "");
  reply.Set("text", "busy\nlater");
  EXPECT_EQ(ReplyText(reply), "450 busy\\nlater");
  reply.Set("enhanced_code", "4.2.1");
  EXPECT_EQ(ReplyText(reply), "450 4.2.1 busy\\nlater");
}

}  // namespace
}  // namespace turnpike::ctl
