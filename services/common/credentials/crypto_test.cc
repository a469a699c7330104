#include "services/common/credentials/crypto.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"

namespace turnpike::auth {
namespace {

// [RFC4231 4.3]
TEST(CryptoTest, HmacIsThatOfRfc4231) {
  EXPECT_EQ(absl::BytesToHexString(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// [RFC7914 11]
TEST(CryptoTest, Pbkdf2IsThatOfRfc7914) {
  EXPECT_EQ(absl::BytesToHexString(Pbkdf2(HashKind::kSha256, "passwd", "salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

// [RFC6070 2]
TEST(CryptoTest, Pbkdf2WithSha1IsThatOfRfc6070) {
  EXPECT_EQ(absl::BytesToHexString(Pbkdf2(HashKind::kSha1, "password", "salt", 4096)),
            "4b007901b765489abead49d926f721d065a429c1");
}

TEST(CryptoTest, TextsAreEqualOnlyOctetByOctet) {
  EXPECT_TRUE(ConstantTimeEqual("", ""));
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abcd"));
}

TEST(CryptoTest, Base64IsStrict) {
  EXPECT_EQ(FromBase64("Zm9v"), "foo");
  EXPECT_EQ(FromBase64("Zg=="), "f");
  EXPECT_EQ(FromBase64(""), "");
  EXPECT_EQ(ToBase64("f"), "Zg==");
  for (const char* text : {"Zg", "Zg=", "Z", "Zh==", " Zg==", "Zg== ", "Zg==Zg==", "Zm9v\n", "!"}) {
    EXPECT_FALSE(FromBase64(text).has_value()) << text;
  }
}

TEST(CryptoTest, WipedSecretIsEmpty) {
  std::string secret = "secret";
  Wipe(secret);
  EXPECT_EQ(secret, "");
}

}  // namespace
}  // namespace turnpike::auth
