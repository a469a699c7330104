#include "services/common/config/validate_delivery.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/loader.h"

namespace turnpike::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kBase[] =
    "hostname: gate.example.org\n"
    "smtp: {listeners: [{name: mx, role: smtp, listen: \"0.0.0.0:25\"}]}\n"
    "local_domains: [{domain: office.example, mailbox_server: \"127.0.0.1:24\"}]\n"
    "gateways: [{domain: branch.example, aliases: [other.example]}]\n";

std::string ErrorsOf(const std::string& delivery) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(kBase + delivery, "t.yaml");
  return loaded.ok() ? "accepted" : std::string(loaded.status().message());
}

std::vector<std::string> WarningsOf(const std::string& delivery) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(kBase + delivery, "t.yaml");
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? loaded->warnings : std::vector<std::string>{"refused"};
}

std::string SmartHost(const std::string& settings) {
  return "delivery: {mode: smart_host, smart_host: {" + settings + "}}\n";
}

TEST(ValidateDeliveryTest, ModesThatNameTheSmartHostNeedOne) {
  for (const char* mode : {"smart_host", "direct_then_smart_host"}) {
    EXPECT_THAT(ErrorsOf(std::string("delivery: {mode: ") + mode + "}\n"),
                HasSubstr("t.yaml:5:18: delivery.mode: needs `delivery.smart_host`"));
  }
  EXPECT_THAT(
      WarningsOf("delivery: {smart_host: {host: relay.example}}\n"),
      ElementsAre(HasSubstr("delivery.smart_host: is not used with `delivery.mode: direct`")));
  EXPECT_THAT(WarningsOf(SmartHost("host: relay.example")), IsEmpty());
}

TEST(ValidateDeliveryTest, SmartHostIsNobodyOfOurs) {
  struct Case {
    const char* host;
    const char* error;
  };
  for (const Case& c : std::vector<Case>{
           {"Gate.Example.org", "`gate.example.org` is our own `hostname`"},
           {"office.example", "`office.example` is one of `local_domains`"},
           {"branch.example", "`branch.example` is a gateway's domain"},
           {"other.example", "`other.example` is a gateway's alias"},
           {"127.0.0.1", "`127.0.0.1` with port 25 is one of our own listeners"},
           {"localhost", "`localhost` with port 25 is one of our own listeners"},
           {"not a host", "must be a host name or an IP address"},
       }) {
    const std::string errors = ErrorsOf(SmartHost("host: \"" + std::string(c.host) + "\""));
    EXPECT_THAT(errors, HasSubstr("t.yaml:5:49: delivery.smart_host.host: ")) << c.host;
    EXPECT_THAT(errors, HasSubstr(c.error));
  }
  EXPECT_EQ(ErrorsOf(SmartHost("host: 127.0.0.1, port: 2525")), "accepted");
  EXPECT_EQ(ErrorsOf(SmartHost("host: \"[2001:db8::1]\"")), "accepted");
  EXPECT_EQ(ErrorsOf(SmartHost("host: mail.office.example")), "accepted");
}

TEST(ValidateDeliveryTest, AddressHasNoMx) {
  EXPECT_THAT(ErrorsOf(SmartHost("host: 192.0.2.1, use_mx: true")),
              HasSubstr("delivery.smart_host.use_mx: an IP address has no MX"));
}

TEST(ValidateDeliveryTest, LoginsHaveAPassword) {
  EXPECT_THAT(ErrorsOf(SmartHost("host: relay.example, auth: {username: us}")),
              HasSubstr("delivery.smart_host.auth.password: is missing"));
  EXPECT_THAT(ErrorsOf(SmartHost("host: relay.example, pop_check: {host: pop.example}")),
              HasSubstr("delivery.smart_host.pop_check.auth: is missing"));
  EXPECT_THAT(ErrorsOf(SmartHost(
                  "host: relay.example, pop_check: {host: pop.example, auth: {username: u}}")),
              HasSubstr("delivery.smart_host.pop_check.auth.password: is missing"));
  EXPECT_THAT(ErrorsOf("accounts: [{address: a@office.example, smart_host: {username: a}}]\n"),
              HasSubstr("accounts[0].smart_host.password: is missing"));
}

TEST(ValidateDeliveryTest, MailPasswordsServeOnlyWhenTheyAreThereInClear) {
  const std::string host = SmartHost(
      "host: relay.example, tls: starttls, per_account_auth: true, "
      "per_account_use_mail_password: true");
  EXPECT_EQ(ErrorsOf(host + "accounts: [{address: a@office.example, password: \"{PLAIN}x\"}]\n"),
            "accepted");
  EXPECT_THAT(
      ErrorsOf(host + "accounts: [{address: a@office.example, password: \"{CRAM-MD5}00\"}]\n"),
      HasSubstr("delivery.smart_host.per_account_use_mail_password: accounts[0] (a@office.example) "
                "has its password not in clear"));
  EXPECT_EQ(ErrorsOf(host + "accounts: [{address: a@office.example, password: \"{CRAM-MD5}00\", "
                            "smart_host: {username: a, password: b}}]\n"),
            "accepted");
  EXPECT_THAT(ErrorsOf(SmartHost("host: relay.example, per_account_use_mail_password: true")),
              HasSubstr("needs `per_account_auth: true`"));
  EXPECT_THAT(WarningsOf(SmartHost("host: relay.example, per_account_auth: true, "
                                   "per_account_use_mail_password: true")),
              ElementsAre(HasSubstr("gives the mailboxes' passwords to whoever answers")));
}

TEST(ValidateDeliveryTest, AccountLoginThatNobodyUsesIsAWarning) {
  EXPECT_THAT(WarningsOf("accounts: [{address: a@office.example, password: \"{PLAIN}x\", "
                         "smart_host: {username: a, password: b}}]\n"),
              ElementsAre(HasSubstr("accounts[0].smart_host: is not used")));
}

TEST(ValidateDeliveryTest, RoutesAreForOtherDomainsAndForOneOnce) {
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{host: a.example}]}\n"),
              HasSubstr("delivery.routes[0].domains: is missing"));
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{domains: [\"*x.example\"], host: a.example}]}\n"),
              HasSubstr("delivery.routes[0].domains[0]: must be a domain, or `*.`"));
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{domains: [office.example], host: a.example}]}\n"),
              HasSubstr("delivery.routes[0].domains[0]: `office.example` is one of"));
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{domains: [X.example], host: a.example}, "
                       "{domains: [\"*.x.example\", x.example], host: b.example}]}\n"),
              HasSubstr("delivery.routes[1].domains[1]: `x.example` stands in "
                        "delivery.routes[0].domains[0] already"));
}

TEST(ValidateDeliveryTest, RouteHasOneTarget) {
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{domains: [x.example], host: a.example, "
                       "smart_host: {host: b.example}}]}\n"),
              HasSubstr("delivery.routes[0].host: `smart_host` is given too"));
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{domains: [x.example], lmtp: true}]}\n"),
              HasSubstr("delivery.routes[0].lmtp: needs `host`"));
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{domains: [x.example], host: gate.example.org}]}\n"),
              HasSubstr("delivery.routes[0].host: `gate.example.org` is our own"));
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{domains: [x.example], tls: required, "
                       "smart_host: {host: b.example}}]}\n"),
              HasSubstr("delivery.routes[0].tls: belongs to `host`"));
  EXPECT_EQ(ErrorsOf("delivery: {routes: [{domains: [x.example], tls: required, "
                     "retry: {interval: 1h}}]}\n"),
            "accepted");
}

TEST(ValidateDeliveryTest, RouteDoesNotTryAgainAfterTheMailHasExpired) {
  EXPECT_THAT(ErrorsOf("delivery: {routes: [{domains: [x.example], retry: {expire_after: 1h, "
                       "warn_after: 2h}}]}\n"),
              HasSubstr("delivery.routes[0].retry.warn_after: is longer than `expire_after` (1h)"));
}

}  // namespace
}  // namespace turnpike::config
