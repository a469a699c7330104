#include "services/auth-service/core/address_pattern.h"

#include <gtest/gtest.h>

namespace turnpike::auth {
namespace {

bool Matches(absl::string_view pattern, absl::string_view address) {
  return AddressPattern(pattern).Matches(
      *smtp::Mailbox::Parse(address, smtp::AddressOptions{.allow_utf8 = true}));
}

TEST(AddressPatternTest, AnAddressMatchesItselfInAnyCase) {
  EXPECT_TRUE(Matches("Boss@Example.org", "bOSS@example.ORG"));
  EXPECT_TRUE(Matches("boss@münchen.example", "boss@xn--mnchen-3ya.example"));
  EXPECT_FALSE(Matches("boss@example.org", "bos@example.org"));
  EXPECT_FALSE(Matches("boss@example.org", "boss@sub.example.org"));
  EXPECT_FALSE(Matches("boss@example.org", "boss@[192.0.2.1]"));
}

TEST(AddressPatternTest, StarStaysOnItsSideOfTheAt) {
  EXPECT_TRUE(Matches("*@example.org", "anybody@example.org"));
  EXPECT_TRUE(Matches("news-*@example.org", "news-@example.org"));
  EXPECT_TRUE(Matches("a*b*c@example.org", "a-b-b-c@example.org"));
  EXPECT_TRUE(Matches("*@*.example.org", "x@a.b.example.org"));
  EXPECT_FALSE(Matches("*@example.org", "x@notexample.org"));
  EXPECT_FALSE(Matches("*@*.example.org", "x@example.org"));
  EXPECT_FALSE(Matches("news-*@example.org", "new@example.org"));
  EXPECT_FALSE(Matches("ab*ba@example.org", "aba@example.org"));
  // The second @ stands in the local part.
  EXPECT_FALSE(Matches("*@example.org", "\"x@example.org\"@evil.example"));
}

TEST(AddressPatternTest, WhatIsNoPatternMatchesNothing) {
  for (const char* text : {"", "*", "example.org", "boss@", "boss@-.example"}) {
    EXPECT_FALSE(Matches(text, "boss@example.org")) << text;
  }
}

}  // namespace
}  // namespace turnpike::auth
