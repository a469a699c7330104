#include "services/common/config/validate_auth.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/loader.h"

namespace turnpike::config {
namespace {

using testing::HasSubstr;

// The errors, or the warnings, or `accepted`.
std::string Judge(const std::string& settings) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(
      "hostname: gate.example.org\n"
      "smtp: {listeners: [{name: mx, role: smtp, listen: \"0.0.0.0:25\"}]}\n" +
          settings + "\n",
      "t.yaml");
  if (!loaded.ok()) return std::string(loaded.status().message());
  return loaded->warnings.empty() ? "accepted" : absl::StrJoin(loaded->warnings, "\n");
}

TEST(ValidateAuthTest, MatchExemptionsAreAddressesOrPatterns) {  // AU-7
  const auto judge = [](const std::string& pattern) {
    return Judge("auth: {match_exemptions: [\"" + pattern + "\"]}");
  };
  for (const char* good :
       {"boss@b.example", "*@b.example", "news-*@*.b.example", "*@m\u00fcller.de"}) {
    EXPECT_EQ(judge(good), "accepted") << good;
  }
  for (const char* bad : {"*", "b.example", "@b.example", "boss@", "boss@-b.example",
                          "a b@b.example", "*@*..example", "<boss@b.example>"}) {
    EXPECT_THAT(judge(bad), HasSubstr("auth.match_exemptions[0]: is no address")) << bad;
  }
}

TEST(ValidateAuthTest, DisallowedAuthContradictsNothing) {  // AU-11, AU-12
  EXPECT_EQ(Judge("auth: {disallow_on_smtp_port: true, screen_on_disallowed_auth: true}"),
            "accepted");
  EXPECT_THAT(Judge("auth: {screen_on_disallowed_auth: true}"),
              HasSubstr("auth.screen_on_disallowed_auth: does nothing"));
  EXPECT_THAT(Judge("auth: {disallow_on_smtp_port: true, screen_on_disallowed_auth: true}\n"
                    "dynamic_screening: {enabled: false}"),
              HasSubstr("auth.screen_on_disallowed_auth: needs `dynamic_screening`"));
  const absl::StatusOr<LoadedConfig> odmr = ParseConfig(
      "hostname: gate.example.org\n"
      "smtp: {listeners: [{name: mx, role: smtp, odmr: true, listen: \"0.0.0.0:25\"}]}\n"
      "auth: {disallow_on_smtp_port: true}\n",
      "t.yaml");
  EXPECT_THAT(std::string(odmr.status().message()),
              HasSubstr("smtp.listeners[0].odmr: nobody could use it"));
}

TEST(ValidateAuthTest, LongestBlockIsNotShorterThanTheFirst) {  // AU-22
  EXPECT_THAT(Judge("dynamic_screening: {block_for: 2h, block_for_max: 90m}"),
              HasSubstr("dynamic_screening.block_for_max: is less than `block_for`"));
  EXPECT_EQ(Judge("dynamic_screening: {block_for: 2h, block_for_max: 2h}"), "accepted");
}

TEST(ValidateAuthTest, MailboxServersElsewhereNeedAKey) {  // AU-21
  const std::string pop = "auth: {pop_before_smtp: {enabled: true, policy_listen: \"";
  EXPECT_EQ(Judge(pop + "127.0.0.1:4001\"}}"), "accepted");
  EXPECT_EQ(Judge(pop + "[::1]:4001\"}}"), "accepted");
  EXPECT_THAT(Judge(pop + "0.0.0.0:4001\"}}"),
              HasSubstr("auth.pop_before_smtp.policy_listen: would let anybody"));
  EXPECT_EQ(Judge(pop + "0.0.0.0:4001\", policy_key: x}}"), "accepted");
  EXPECT_THAT(Judge("auth: {pop_before_smtp: {policy_listen: \"127.0.0.1:4001\"}}"),
              HasSubstr("policy_listen: does nothing"));
}

TEST(ValidateAuthTest, SharingNeedsLocalDomains) {  // AU-20
  const std::string sharing = "domain_sharing: {hosts: [{server: \"other.example:25\"}]}\n";
  EXPECT_THAT(Judge(sharing), HasSubstr("domain_sharing.hosts: are never asked"));
  EXPECT_EQ(Judge(sharing + "local_domains: [{domain: b.example, "
                            "mailbox_server: \"127.0.0.1:24\"}]"),
            "accepted");
}

TEST(ValidateAuthTest, LdapIsAskedSensiblyOrNotAtAll) {  // AU-23
  const auto ldap = [](const std::string& settings) {
    return Judge("directory: {ldap: {base_dn: \"dc=b\", " + settings + "}}");
  };
  EXPECT_EQ(ldap("url: \"ldaps://ldap.example\""), "accepted");
  EXPECT_EQ(ldap("url: \"ldap://ldap.example\", start_tls: true"), "accepted");
  EXPECT_EQ(ldap("url: \"ldap://127.0.0.1:389\""), "accepted");
  EXPECT_EQ(ldap("url: \"ldapi:///\""), "accepted");
  EXPECT_THAT(ldap("url: \"ldap://ldap.example\""),
              HasSubstr("ldap.url: sends passwords in clear"));
  EXPECT_THAT(ldap("url: \"http://ldap.example\""), HasSubstr("ldap.url: is no `ldap://`"));
  EXPECT_THAT(ldap("url: \"ldaps://ldap.example\", start_tls: true"),
              HasSubstr("ldap.start_tls: is for `ldap://` only"));
  const std::string url = "url: \"ldaps://ldap.example\", ";
  EXPECT_THAT(ldap(url + "filter: \"(mail=ann)\""), HasSubstr("ldap.filter: finds the same"));
  EXPECT_THAT(ldap(url + "filter: \"mail=%s\""), HasSubstr("ldap.filter: must stand in"));
  EXPECT_THAT(ldap(url + "bind_password: x"), HasSubstr("ldap.bind_password: is nobody's"));
  EXPECT_THAT(ldap(url + "bind_dn: \"cn=x\""), HasSubstr("ldap.bind_dn: has no password"));
  EXPECT_EQ(ldap(url + "bind_dn: \"cn=x\", bind_password: x"), "accepted");
}

TEST(ValidateAuthTest, DovecotsSocketsAreTwo) {  // AU-23
  EXPECT_THAT(Judge("directory: {dovecot: {userdb_socket: /run/a, client_socket: /run/a}}"),
              HasSubstr("dovecot.client_socket: is `userdb_socket` too"));
}

}  // namespace
}  // namespace turnpike::config
