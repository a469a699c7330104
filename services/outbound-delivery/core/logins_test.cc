#include "services/outbound-delivery/core/logins.h"

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

void SetLogin(const std::string& user, config::v1::Login* login) {
  login->set_username(user);
  login->set_password("secret of " + user);
}

config::v1::Config MakeConfig() {
  config::v1::Config config;
  config::v1::Gateway* gateway = config.add_gateways();
  gateway->set_domain("branch.example");
  SetLogin("branch", gateway->mutable_etrn()->mutable_auth());
  config.add_gateways()->set_domain("plain.example");
  SetLogin("all", config.mutable_delivery()->mutable_smart_host()->mutable_auth());
  SetLogin("some", config.mutable_delivery()->add_routes()->mutable_smart_host()->mutable_auth());
  config::v1::Account* own = config.add_accounts();
  own->set_address("Ann@office.example");
  own->set_password("{PLAIN}anns");
  SetLogin("ann", own->mutable_smart_host());
  config::v1::Account* other = config.add_accounts();
  other->set_address("bob@office.example");
  other->set_password("SCRAM-SHA-256$4096:c2FsdA==$a:b\n{PLAIN}bobs");
  return config;
}

TEST(LoginsTest, EveryPlaceThatCanHaveALoginHasAName) {
  const auto logins = Logins::FromConfig(MakeConfig());
  ASSERT_TRUE(logins.ok()) << logins.status();
  EXPECT_EQ(logins->Find("gateways/branch.example/etrn")->username, "branch");
  EXPECT_EQ(logins->Find("gateways/plain.example/etrn"), nullptr);
  EXPECT_EQ(logins->Find("smart_host")->password, "secret of all");
  EXPECT_EQ(logins->Find("routes/0/smart_host")->username, "some");
  EXPECT_EQ(logins->Find("accounts/ann@office.example/smart_host")->username, "ann");
  EXPECT_EQ(logins->Find("accounts/bob@office.example/smart_host"), nullptr);
}

TEST(LoginsTest, MailPasswordServesOnlyWhereThatIsWanted) {
  config::v1::Config config = MakeConfig();
  config.mutable_delivery()->mutable_smart_host()->set_per_account_auth(true);
  config.mutable_delivery()->mutable_smart_host()->set_per_account_use_mail_password(true);
  const auto logins = Logins::FromConfig(config);
  ASSERT_TRUE(logins.ok()) << logins.status();
  const Login* bob = logins->Find(AccountLoginName("bob@office.example"));
  ASSERT_NE(bob, nullptr);
  EXPECT_EQ(bob->username, "bob@office.example");
  EXPECT_EQ(bob->password, "bobs");
  EXPECT_EQ(logins->Find(AccountLoginName("ann@office.example"))->username, "ann");
}

TEST(LoginsTest, MailPasswordThatIsNotThereInClearIsAnError) {
  config::v1::Config config = MakeConfig();
  config.mutable_delivery()->mutable_smart_host()->set_per_account_auth(true);
  config.mutable_delivery()->mutable_smart_host()->set_per_account_use_mail_password(true);
  config.mutable_accounts(1)->set_password("$argon2id$v=19$x");
  const auto logins = Logins::FromConfig(config);
  EXPECT_EQ(logins.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(logins.status().message().find("bob@office.example"), std::string::npos);
}

}  // namespace
}  // namespace turnpike::delivery
