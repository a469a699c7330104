#include "services/auth-service/store/config_directory.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"

namespace turnpike::auth {
namespace {

constexpr Audience kAll{.accounts = true, .gateways = true};

TEST(ConfigDirectoryTest, LoginsAreFoundByAnySpellingOfTheirName) {
  config::v1::Config config;
  config.add_accounts()->set_address("Ann@Example.org");
  config.mutable_accounts(0)->add_aliases("postmaster@example.org");
  config.mutable_accounts(0)->set_password("{PLAIN}a");
  config.add_gateways()->set_domain("xn--mnchen-3ya.example");
  config.mutable_gateways(0)->mutable_atrn()->set_password("{PLAIN}g");
  const auto directory = *ConfigDirectory::Create(config);
  for (const char* user : {"ann@example.org", "ANN@EXAMPLE.ORG"}) {
    ASSERT_NE(directory->Find(user, kAll), nullptr) << user;
    EXPECT_EQ(directory->Find(user, kAll)->identity.name(), "Ann@Example.org");
    EXPECT_EQ(directory->Find(user, {.gateways = true}), nullptr);
  }
  for (const char* user : {"xn--mnchen-3ya.example", "M\u00fcnchen.Example"}) {
    ASSERT_NE(directory->Find(user, kAll), nullptr) << user;
    EXPECT_EQ(directory->Find(user, {.accounts = true}), nullptr);
  }
  for (const char* user : {"", "@", "ann", "ann@", "@example.org", "postmaster@example.org",
                           "ann@example.org.", "ann@sub.example.org", "example", "ann@@example.org",
                           "xn--mnchen-3ya.example.", "sub.xn--mnchen-3ya.example"}) {
    EXPECT_EQ(directory->Find(user, kAll), nullptr) << user;
  }
}

TEST(ConfigDirectoryTest, AccountsWithoutPasswordAreFoundForCertificates) {
  config::v1::Config config;
  config.add_accounts()->set_address("ann@example.org");
  const auto directory = *ConfigDirectory::Create(config);
  EXPECT_NE(directory->Find("ann@example.org", {.accounts = true, .by_certificate = true}),
            nullptr);
}

TEST(ConfigDirectoryTest, NamesWithoutPasswordCannotLogIn) {
  config::v1::Config config;
  config.add_accounts()->set_address("ann@example.org");
  config.add_gateways()->set_domain("gw.example");
  const auto directory = *ConfigDirectory::Create(config);
  EXPECT_EQ(directory->Find("ann@example.org", kAll), nullptr);
  EXPECT_EQ(directory->Find("gw.example", kAll), nullptr);
  EXPECT_FALSE(directory->HasClearText(kAll));
}

TEST(ConfigDirectoryTest, ErrorNamesTheKeyAndNotThePassword) {
  config::v1::Config config;
  config.add_gateways()->set_domain("a.example");
  config.add_gateways()->set_domain("b.example");
  config.mutable_gateways(1)->mutable_atrn()->set_password("hunter2");
  const absl::Status status = ConfigDirectory::Create(config).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("gateways[1].atrn.password: "), std::string::npos) << status;
  EXPECT_EQ(status.message().find("hunter2"), std::string::npos) << status;
}

TEST(ConfigDirectoryTest, AccountsThatDifferByCaseOnlyAreAnError) {
  config::v1::Config config;
  for (const char* address : {"ann@example.org", "ANN@example.org"}) {
    config::v1::Account* account = config.add_accounts();
    account->set_address(address);
    account->set_password("{PLAIN}a");
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ConfigDirectory::Create(config).status()));
}

TEST(ConfigDirectoryTest, EqualConfigurationsGiveEqualSalts) {
  config::v1::Config config;
  config.add_accounts()->set_address("ann@example.org");
  config.mutable_accounts(0)->set_password("{PLAIN}a");
  const auto one = *ConfigDirectory::Create(config);
  const auto two = *ConfigDirectory::Create(config);
  config.mutable_accounts(0)->set_password("{PLAIN}b");
  const auto other = *ConfigDirectory::Create(config);
  EXPECT_EQ(one->SaltFor("x"), two->SaltFor("x"));
  EXPECT_NE(one->SaltFor("x"), other->SaltFor("x"));
  EXPECT_EQ(one->SaltFor("x").size(), 16u);
}

TEST(ConfigDirectoryTest, CostIsWhatTheDearestLoginNeeds) {
  config::v1::Config config;
  config.add_accounts()->set_address("ann@example.org");
  config.mutable_accounts(0)->set_password("{PLAIN}a");
  EXPECT_FALSE((*ConfigDirectory::Create(config))->cost().argon2.has_value());
  EXPECT_TRUE((*ConfigDirectory::Create(config))->cost().scram_needs_pbkdf2);
  const std::string hash =
      "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
      "HhOk2Ke1PK7wQu4zIqVqsvJnVmqTUWHcM3MbXmRGcKk";
  config.mutable_accounts(0)->set_password(hash);
  EXPECT_EQ((*ConfigDirectory::Create(config))->cost().argon2, hash);
  EXPECT_FALSE((*ConfigDirectory::Create(config))->cost().scram_needs_pbkdf2);
}

}  // namespace
}  // namespace turnpike::auth
