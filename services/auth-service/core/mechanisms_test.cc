#include "services/auth-service/core/mechanisms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/auth-service/store/config_directory.h"

namespace turnpike::auth {
namespace {

// The names that a listener offers, with and without TLS.
std::string Offered(const ListenerTraits& listener, bool tls, const LoginDirectory& directory) {
  return absl::StrJoin(OfferedMechanisms(listener, {.tls = tls}, directory), " ",
                       [](std::string* out, Mechanism mechanism) {
                         absl::StrAppend(out, MechanismName(mechanism));
                       });
}

std::shared_ptr<const ConfigDirectory> Directory(const std::string& account_password,
                                                 const std::string& gateway_password) {
  config::v1::Config config;
  if (!account_password.empty()) {
    config.add_accounts()->set_address("ann@example.org");
    config.mutable_accounts(0)->set_password(account_password);
  }
  config.add_gateways()->set_domain("gw.example");
  config.mutable_gateways(0)->mutable_atrn()->set_password(gateway_password);
  return *ConfigDirectory::Create(config);
}

constexpr ListenerTraits kMx{.role = v1::LISTENER_ROLE_SMTP};
constexpr ListenerTraits kOdmr{.role = v1::LISTENER_ROLE_ODMR, .odmr = true};
const char kHash[] =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
    "HhOk2Ke1PK7wQu4zIqVqsvJnVmqTUWHcM3MbXmRGcKk";

TEST(MechanismsTest, NothingIsOfferedWhereNobodyCanLogIn) {
  const auto directory = Directory("", "");
  EXPECT_EQ(Offered(kMx, true, *directory), "");
  EXPECT_EQ(Offered(kOdmr, true, *directory), "");
}

TEST(MechanismsTest, ClearTextNeedsTlsOrPermission) {
  const auto directory = Directory(kHash, "");
  EXPECT_EQ(Offered(kMx, false, *directory), "");
  EXPECT_EQ(Offered(kMx, true, *directory), "PLAIN LOGIN");
  EXPECT_EQ(
      Offered({.role = v1::LISTENER_ROLE_SMTP, .allow_cleartext_auth = true}, false, *directory),
      "PLAIN LOGIN");
}

TEST(MechanismsTest, CramMd5IsForGatewaysOnOdmrListeners) {
  const auto directory = Directory("", "{PLAIN}secret");
  EXPECT_EQ(Offered(kOdmr, false, *directory), "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
  EXPECT_EQ(Offered(kOdmr, true, *directory),
            "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN");
  EXPECT_EQ(Offered({.role = v1::LISTENER_ROLE_SMTP, .odmr = true}, false, *directory),
            "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
  EXPECT_EQ(Offered(kMx, false, *directory), "SCRAM-SHA-256 SCRAM-SHA-1");
  EXPECT_FALSE(AudienceOf(Mechanism::kCramMd5, kOdmr).accounts);
}

TEST(MechanismsTest, CramMd5IsForEverybodyWhereSwitchedOn) {
  const ListenerTraits listener{.role = v1::LISTENER_ROLE_SUBMISSION, .cram_md5 = true};
  EXPECT_EQ(Offered(listener, false, *Directory("{PLAIN}secret", "")),
            "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
  EXPECT_EQ(Offered(listener, false, *Directory(kHash, "")), "");
}

TEST(MechanismsTest, AccountsCountForNothingOnAPureOdmrListener) {
  EXPECT_EQ(Offered(kOdmr, true, *Directory("{PLAIN}secret", "")), "");
  EXPECT_FALSE(AudienceOf(Mechanism::kPlain, kOdmr).accounts);
}

TEST(MechanismsTest, VerifiersServeTheirOwnHashOnly) {
  const std::string sha1 =
      FormatScramVerifier(MakeScramVerifier(HashKind::kSha1, "secret", "0123456789abcdef", 4096));
  EXPECT_EQ(Offered(kMx, false, *Directory(sha1, "")), "SCRAM-SHA-1");
  EXPECT_EQ(Offered(kMx, true, *Directory(sha1, "")), "SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN LOGIN");
}

TEST(MechanismsTest, ExternalNeedsACertificateWithAnAddress) {
  const auto directory = Directory(kHash, "");
  const auto is_offered = [&](const ListenerTraits& listener, const SessionTraits& session) {
    const std::vector<Mechanism> offered = OfferedMechanisms(listener, session, *directory);
    return std::count(offered.begin(), offered.end(), Mechanism::kExternal) == 1;
  };
  EXPECT_TRUE(is_offered(kMx, {.tls = true, .has_certificate = true}));
  EXPECT_FALSE(is_offered(kMx, {.tls = true}));
  EXPECT_FALSE(is_offered(kMx, {.has_certificate = true}));
  EXPECT_FALSE(is_offered(kOdmr, {.tls = true, .has_certificate = true}));
}

TEST(MechanismsTest, NamesAreFoundExactly) {
  for (const char* name : {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1",
                           "EXTERNAL", "CRAM-MD5", "PLAIN", "LOGIN"}) {
    ASSERT_TRUE(FindMechanism(name).has_value()) << name;
    EXPECT_EQ(MechanismName(*FindMechanism(name)), name);
    EXPECT_NE(MakeExchange(*FindMechanism(name), {}), nullptr);
  }
  EXPECT_FALSE(FindMechanism("SCRAM-SHA-512").has_value());
  EXPECT_FALSE(FindMechanism("plain").has_value());
  EXPECT_FALSE(FindMechanism("").has_value());
}

}  // namespace
}  // namespace turnpike::auth
