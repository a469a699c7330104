#include "services/common/config/suggestion.h"

#include <string>

#include "gtest/gtest.h"

namespace turnpike::config {
namespace {

TEST(EditDistanceTest, CountsSlipsOfTheFinger) {
  EXPECT_EQ(EditDistance("port", "port"), 0u);
  EXPECT_EQ(EditDistance("prot", "port"), 1u);   // swapped
  EXPECT_EQ(EditDistance("por", "port"), 1u);    // left out
  EXPECT_EQ(EditDistance("poort", "port"), 1u);  // twice
  EXPECT_EQ(EditDistance("pert", "port"), 1u);   // wrong
  EXPECT_EQ(EditDistance("", "port"), 4u);
  EXPECT_EQ(EditDistance("listen", "silent"), 4u);
}

TEST(UnknownKeyTextTest, NamesTheNearestKey) {
  EXPECT_EQ(UnknownKeyText("domian", {"domain", "aliases"}), "unknown key; did you mean `domain`?");
  EXPECT_EQ(UnknownKeyText("Domain", {"domain", "aliases"}), "unknown key; did you mean `domain`?");
  EXPECT_EQ(UnknownKeyText("require_atuh", {"enabled", "require_auth"}),
            "unknown key; did you mean `require_auth`?");
}

TEST(UnknownKeyTextTest, ListsTheKeysWhenNoneIsNear) {
  EXPECT_EQ(UnknownKeyText("x", {"domain", "aliases"}),
            "unknown key; the keys here are domain, aliases");
  EXPECT_EQ(UnknownKeyText("", {"domain"}), "unknown key; the keys here are domain");
  EXPECT_EQ(UnknownKeyText(std::string(10'000, 'x'), {"domain"}),
            "unknown key; the keys here are domain");
}

}  // namespace
}  // namespace turnpike::config
