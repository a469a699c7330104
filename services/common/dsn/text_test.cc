#include "services/common/dsn/text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace turnpike::dsn {
namespace {

TEST(CleanLineTest, LineEndsBecomeBlanksAndControlsQuestionMarks) {
  EXPECT_EQ(CleanLine("550 a\r\nb\x07\x7f", false), "550 a  b??");
}

TEST(CleanLineTest, Utf8IsKeptOnlyWhereAllowed) {
  EXPECT_EQ(CleanLine("b\xc3\xbc", true), "b\xc3\xbc");
  EXPECT_EQ(CleanLine("b\xc3\xbc", false), "b?");
  EXPECT_EQ(CleanLine("b\xfcx", true), "b?x");
  EXPECT_EQ(CleanLine("a\xc2\x85z", true), "a?z");  // NEL
}

TEST(CleanLineTest, IsCutBetweenCharacters) { EXPECT_EQ(CleanLine("ab\xc3\xbc", true, 3), "ab"); }

TEST(AppendFieldTest, LongValueIsFoldedAtBlanks) {
  std::string value;
  for (int i = 0; i < 40; ++i) value += "word ";
  std::string out;
  AppendField("Diagnostic-Code", value, &out);
  for (absl::string_view line : absl::StrSplit(out, "\r\n")) EXPECT_LE(line.size(), 78u);
  EXPECT_NE(out.find("\r\n word"), std::string::npos);
}

TEST(AppendFieldTest, EndlessWordIsCut) {
  std::string out;
  AppendField("X", std::string(5000, 'a'), &out);
  EXPECT_LE(out.size(), 998u);
}

TEST(CleanHeaderTest, StopsAtTheEmptyLine) {
  EXPECT_EQ(CleanHeader("A: b\r\nC: d\r\n\r\nbody\r\n", 1000), "A: b\r\nC: d\r\n");
}

TEST(CleanHeaderTest, StrayControlsAndLongLinesAreTamed) {
  const std::string header = CleanHeader(
      absl::StrCat("A: b\rc", absl::string_view("\0", 1), "\nB: ", std::string(2000, 'x'), "\r\n"),
      10000);
  EXPECT_TRUE(IsSendable(header));
  EXPECT_EQ(header.substr(0, 10), "A: b?c?\r\nB");
}

TEST(CleanHeaderTest, IsCutAtALineEnd) {
  EXPECT_EQ(CleanHeader("A: b\r\nC: d\r\n", 8), "A: b\r\n");
}

TEST(IsSendableTest, RefusesStrayLineEndsNulAndLongLines) {
  EXPECT_TRUE(IsSendable("a\r\nb"));
  EXPECT_FALSE(IsSendable("a\nb"));
  EXPECT_FALSE(IsSendable("a\rb"));
  EXPECT_FALSE(IsSendable(absl::string_view("a\0b", 3)));
  EXPECT_FALSE(IsSendable(std::string(999, 'a')));
}

}  // namespace
}  // namespace turnpike::dsn
