#include "services/auth-service/screen/screen_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::auth {
namespace {

TEST(ScreenKeysTest, KeysSortByNetworkAndReadBack) {
  std::string last;
  for (const char* text : {"9.0.0.1/32", "10.0.0.0/8", "10.0.0.0/24", "192.0.2.1/32", "::/64",
                           "2001:db8::/32", "2001:db8:1::/64"}) {
    const net::IpNetwork network = *net::IpNetwork::Parse(text);
    const std::string key = BlockKey(network);
    EXPECT_LT(last, key);
    EXPECT_LT(key.size(), 512u);
    ASSERT_TRUE(NetworkOfBlockKey(key).has_value()) << key;
    EXPECT_EQ(*NetworkOfBlockKey(key), network);
    EXPECT_NE(WatchKey(network), key);
    last = key;
  }
}

TEST(ScreenKeysTest, OtherKeysAreNoBlocks) {
  for (const char* key : {"", "screen/blocked/", "screen/blocked/4/c0000201", "screen/change",
                          "screen/blocked/4/c00002/032", "screen/blocked/4/c0000201/x",
                          "screen/watched/4/c0000201/032"}) {
    EXPECT_EQ(NetworkOfBlockKey(key), std::nullopt) << key;
  }
}

TEST(ScreenKeysTest, AccountsHaveOneDigestInAllSpellingsAndTheirNameIsNotInIt) {
  EXPECT_EQ(AccountDigest("Ann@B.example"), AccountDigest("ann@b.EXAMPLE"));
  EXPECT_NE(AccountDigest("ann@b.example"), AccountDigest("bob@b.example"));
  EXPECT_EQ(AccountDigest("ann@b.example").size(), 32u);
  EXPECT_NE(FailuresKey("x"), LimitKey("x"));
}

}  // namespace
}  // namespace turnpike::auth
