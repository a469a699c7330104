#include "services/auth-service/directory/ldap_filter.h"

#include <gtest/gtest.h>

namespace turnpike::auth {
namespace {

TEST(LdapFilterTest, AddressStandsInEachPlace) {
  EXPECT_EQ(MakeFilter("(|(mail=%s)(mailAlternateAddress=%s))", "ann@b.example"),
            "(|(mail=ann@b.example)(mailAlternateAddress=ann@b.example))");
  EXPECT_EQ(MakeFilter("(uid=x)", "ann@b.example"), "(uid=x)");
}

TEST(LdapFilterTest, AddressIsNeverSyntax) {
  EXPECT_EQ(MakeFilter("(mail=%s)", "*"), "(mail=\\2a)");
  EXPECT_EQ(MakeFilter("(mail=%s)", "x)(uid=*"), "(mail=x\\29\\28uid=\\2a)");
  EXPECT_EQ(MakeFilter("(mail=%s)", "a\\2a"), "(mail=a\\5c2a)");
  EXPECT_EQ(MakeFilter("(mail=%s)", std::string("\0\n", 2)), "(mail=\\00\\0a)");
  EXPECT_EQ(MakeFilter("(mail=%s)", "\u00fc"), "(mail=\\c3\\bc)");
  EXPECT_EQ(MakeFilter("(mail=%s)", "%s"), "(mail=%s)");
}

}  // namespace
}  // namespace turnpike::auth
