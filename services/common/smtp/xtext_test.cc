#include "services/common/smtp/xtext.h"

#include <gtest/gtest.h>

namespace turnpike::smtp {
namespace {

TEST(XtextTest, EncodedTextIsDecoded) {
  EXPECT_EQ(DecodeXtext("QQ314159"), "QQ314159");
  EXPECT_EQ(DecodeXtext("a+20b+2Bc+3Dd"), "a b+c=d");
  EXPECT_EQ(DecodeXtext(""), "");
}

TEST(XtextTest, ControlCharactersAreNotDecoded) {
  for (absl::string_view text : {"a+0D+0Ab", "a+00", "+0A", "+7F", "+1B", "+80", "+C2+85"}) {
    EXPECT_FALSE(DecodeXtext(text)) << text;
  }
}

TEST(XtextTest, MalformedTextIsRefused) {
  for (absl::string_view text : {"+", "a+", "a+2", "+2g", "+2b", "a=b", "a b", "a\tb", "ü"}) {
    EXPECT_FALSE(DecodeXtext(text)) << text;
  }
}

TEST(XtextTest, EncodingReadsBack) {
  const std::string text = "a b+c=d <e@f>";
  EXPECT_EQ(EncodeXtext(text), "a+20b+2Bc+3Dd+20<e@f>");
  EXPECT_EQ(DecodeXtext(EncodeXtext(text)), text);
  EXPECT_EQ(EncodeXtext("\r\n"), "+0D+0A");
}

TEST(Utf8AddressXtextTest, EscapesAndUtf8AreDecoded) {
  EXPECT_EQ(DecodeUtf8AddressXtext(R"(m\x{FC}ller@a.b)", false), "müller@a.b");
  EXPECT_EQ(DecodeUtf8AddressXtext(R"(\x{1F600}\x{20}\x{5C})", false), "😀 \\");
  EXPECT_EQ(DecodeUtf8AddressXtext("müller@a.b", true), "müller@a.b");
  EXPECT_FALSE(DecodeUtf8AddressXtext("müller@a.b", false));
}

TEST(Utf8AddressXtextTest, ControlsAndMalformedEscapesAreRefused) {
  for (absl::string_view text : {R"(\x{0D})", R"(\x{0A})", R"(\x{00})", R"(\x{85})", R"(\x{2028})",
                                 R"(\x{D800})", R"(\x{110000})", R"(\x{})", R"(\x{A})", R"(\x{12)",
                                 R"(\x12)", R"(\)", "a+b", "a=b", "a b", "a\xff"}) {
    EXPECT_FALSE(DecodeUtf8AddressXtext(text, true)) << text;
  }
}

TEST(Utf8AddressXtextTest, EncodingIsAsciiAndReadsBack) {
  const std::string text = "müller+x=y \\😀@a.b";
  const std::string encoded = EncodeUtf8AddressXtext(text);
  EXPECT_EQ(encoded, R"(m\x{FC}ller\x{2B}x\x{3D}y\x{20}\x{5C}\x{1F600}@a.b)");
  EXPECT_EQ(DecodeUtf8AddressXtext(encoded, false), text);
}

}  // namespace
}  // namespace turnpike::smtp
