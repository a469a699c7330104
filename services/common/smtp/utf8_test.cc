#include "services/common/smtp/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::smtp {
namespace {

TEST(Utf8Test, AsciiIsFoundAtEveryPositionOfAWord) {
  EXPECT_TRUE(IsAscii(""));
  for (size_t position = 0; position < 20; ++position) {
    std::string text(20, 'a');
    EXPECT_TRUE(IsAscii(text));
    text[position] = '\x80';
    EXPECT_FALSE(IsAscii(text)) << position;
  }
}

TEST(Utf8Test, CodePointsOfEveryLengthSurviveARoundTrip) {
  for (char32_t code_point : {U'\0', U'a', U'\x7f', U'\u0080', U'\u07ff', U'\u0800', U'\ud7ff',
                              U'\ue000', U'\uffff', U'\U00010000', U'\U0010ffff'}) {
    std::string text;
    AppendUtf8(code_point, &text);
    absl::string_view rest = text;
    EXPECT_EQ(ConsumeUtf8(&rest), code_point);
    EXPECT_TRUE(rest.empty());
  }
}

TEST(Utf8Test, MalformedSequencesAreRefused) {
  for (absl::string_view text : {"\x80", "\xc0\xaf", "\xc1\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                                 "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3",
                                 "\xe2\x82", "\xf0\x9f\x98", "\xc3(", "\xff"}) {
    absl::string_view rest = text;
    EXPECT_FALSE(ConsumeUtf8(&rest)) << testing::PrintToString(text);
  }
}

TEST(Utf8Test, WhatSomeReaderTakesForALineEndIsNotPrintable) {
  for (absl::string_view text :
       {"a\rb", "a\nb", "a\x0b", "a\x0c", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9", "\x7f"}) {
    EXPECT_FALSE(IsPrintableUtf8(text)) << testing::PrintToString(text);
  }
  EXPECT_FALSE(IsPrintableUtf8(absl::string_view("a\0b", 3)));
  EXPECT_TRUE(IsPrintableUtf8("Grüße, 用户"));
}

}  // namespace
}  // namespace turnpike::smtp
