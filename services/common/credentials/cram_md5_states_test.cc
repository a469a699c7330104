#include "services/common/credentials/cram_md5_states.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace turnpike::auth {
namespace {

TEST(CramMd5StatesTest, DigestIsThatOfRfc2195) {
  EXPECT_EQ(CramMd5Digest(MakeCramMd5States("tanstaaftanstaaf"),
                          "<1896.697170952@postoffice.reston.mci.net>"),
            "b913a602c7eda7a495b4e6e7334d3890");
}

// [RFC2202 2]
TEST(CramMd5StatesTest, DigestsAreThoseOfRfc2202) {
  EXPECT_EQ(CramMd5Digest(MakeCramMd5States("Jefe"), "what do ya want for nothing?"),
            "750c783e6ab0b503eaa86e310a5db738");
  EXPECT_EQ(CramMd5Digest(MakeCramMd5States(std::string(80, '\xaa')),
                          "Test Using Larger Than Block-Size Key - Hash Key First"),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
}

TEST(CramMd5StatesTest, StatesReadBackFromDovecotsForm) {
  const CramMd5States states = MakeCramMd5States("secret");
  const std::string hex = absl::BytesToHexString(absl::StrCat(states.outer, states.inner));
  const std::optional<CramMd5States> read = ParseCramMd5States(hex);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(CramMd5Digest(*read, "<1@example.org>"), CramMd5Digest(states, "<1@example.org>"));
}

TEST(CramMd5StatesTest, OtherFormsAreRefused) {
  EXPECT_FALSE(ParseCramMd5States("").has_value());
  EXPECT_FALSE(ParseCramMd5States(std::string(62, 'a')).has_value());
  EXPECT_FALSE(ParseCramMd5States(std::string(66, 'a')).has_value());
  EXPECT_FALSE(ParseCramMd5States(std::string(63, 'a') + "g").has_value());
}

}  // namespace
}  // namespace turnpike::auth
