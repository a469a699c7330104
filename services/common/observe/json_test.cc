#include "services/common/observe/json.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace turnpike::observe {
namespace {

std::string Quoted(absl::string_view text, size_t bytes_max = 1024) {
  std::string out;
  AppendJsonString(text, bytes_max, out);
  return out;
}

TEST(JsonTest, PlainTextIsQuoted) {
  EXPECT_EQ(Quoted(""), "\"\"");
  EXPECT_EQ(Quoted("250 2.0.0 Ok"), "\"250 2.0.0 Ok\"");
}

TEST(JsonTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(Quoted("a\"b\\c\r\n\t"), "\"a\\\"b\\\\c\\r\\n\\t\"");
  EXPECT_EQ(Quoted(absl::string_view("\0\x1b\x7f", 3)), "\"\\u0000\\u001b\\u007f\"");
  EXPECT_EQ(Quoted("\xc2\x9b"), "\"\\u009b\"");  // CSI
}

TEST(JsonTest, Utf8IsKept) {
  const std::string text = "\xc3\xbc \xe2\x82\xac \xf0\x9f\x93\xa7";
  EXPECT_EQ(Quoted(text), "\"" + text + "\"");
}

TEST(JsonTest, OctetsThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(Quoted("a\xff"), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(Quoted("\xc3"), "\"\xef\xbf\xbd\"");                  // cut short
  EXPECT_EQ(Quoted("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");  // overlong
  EXPECT_EQ(Quoted("\xed\xa0\x80").size(), 2u + 3 * 3);           // surrogate
  EXPECT_EQ(Quoted("\xf4\x90\x80\x80").size(), 2u + 4 * 3);       // above U+10FFFF
}

TEST(JsonTest, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(Quoted("12345", 5), "\"12345\"");
  EXPECT_EQ(Quoted("123456", 5), "\"12345\xe2\x80\xa6\"");
  EXPECT_EQ(Quoted("1234\xc3\xbc", 5), "\"1234\xe2\x80\xa6\"");
}

TEST(JsonTest, EveryPairOfOctetsGivesValidJson) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      ASSERT_TRUE(nlohmann::json::accept(Quoted(text))) << first << " " << second;
    }
  }
}

}  // namespace
}  // namespace turnpike::observe
