#include "services/common/config/validate.h"

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

constexpr char kMx[] = "smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:0\"}]}\n";
constexpr char kOdmr[] = "smtp: {listeners: [{name: odmr, role: odmr, listen: \"127.0.0.1:0\"}]}\n";

std::string ErrorsOf(const std::string& yaml) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(yaml, "t.yaml");
  return loaded.ok() ? "accepted" : std::string(loaded.status().message());
}

std::vector<std::string> WarningsOf(const std::string& yaml) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(yaml, "t.yaml");
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? loaded->warnings : std::vector<std::string>{"refused"};
}

std::string WithListener(const std::string& settings) {
  return "smtp:\n  listeners:\n  - {name: a, listen: \"127.0.0.1:0\", " + settings + "}\n";
}

TEST(ValidateListenersTest, ThereIsAtLeastOne) {
  EXPECT_EQ(ErrorsOf(""),
            "t.yaml:1:1: smtp.listeners: there is no listener; name at least one, such as "
            "`- {name: smtp, role: smtp, listen: \"0.0.0.0:25\"}`");
}

TEST(ValidateListenersTest, ImplicitTlsNeedsACertificate) {
  const char* const kText = ".tls: is missing; TLS from the first octet needs";
  EXPECT_THAT(ErrorsOf(WithListener("role: submissions")), HasSubstr(kText));
  EXPECT_THAT(ErrorsOf(WithListener("role: smtp, implicit_tls: true")), HasSubstr(kText));
}

TEST(ValidateListenersTest, RoleAndSettingsAgree) {
  EXPECT_THAT(ErrorsOf(WithListener("role: submissions, implicit_tls: false")),
              HasSubstr("t.yaml:3:71: smtp.listeners[0].implicit_tls: `submissions` is TLS from"));
  EXPECT_THAT(ErrorsOf(WithListener("role: odmr, odmr: false")),
              HasSubstr("smtp.listeners[0].odmr: a listener with `role: odmr` always answers"));
}

TEST(ValidateListenersTest, SubmissionWithoutTlsIsAWarning) {
  EXPECT_THAT(WarningsOf(WithListener("role: submission")),
              ElementsAre(HasSubstr("smtp.listeners[0].tls: is missing; without TLS only")));
}

TEST(ValidateListenersTest, MessageSizeIsZeroOrWithinTheBounds) {
  EXPECT_EQ(ErrorsOf(WithListener("role: smtp, message_bytes_max: 0")), "accepted");
  EXPECT_THAT(ErrorsOf(WithListener("role: smtp, message_bytes_max: 1KiB")),
              HasSubstr("message_bytes_max: must be 0, or from 64KiB to 2GiB"));
}

TEST(ValidateDomainsTest, DomainHasOneUse) {
  EXPECT_EQ(ErrorsOf(std::string(kMx) +
                     "local_domains: [{domain: a.example, mailbox_server: \"127.0.0.1:24\"}]\n"
                     "relay_domains: [a.example, b.example, b.example]\n"
                     "gateways:\n"
                     "- domain: a.example\n"
                     "- domain: c.example\n"
                     "  aliases: [b.example, c.example, d.example]\n"
                     "- domain: d.example\n"),
            "t.yaml:3:17: relay_domains[0]: `a.example` is used by local_domains[0] already; a "
            "domain is local, relayed, or one gateway's\n"
            "t.yaml:3:39: relay_domains[2]: `b.example` is used by relay_domains[1] already; a "
            "domain is local, relayed, or one gateway's\n"
            "t.yaml:5:11: gateways[0].domain: `a.example` is used by local_domains[0] already; a "
            "domain is local, relayed, or one gateway's\n"
            "t.yaml:7:13: gateways[1].aliases[0]: `b.example` is used by relay_domains[1] already; "
            "a domain is local, relayed, or one gateway's\n"
            "t.yaml:7:24: gateways[1].aliases[1]: `c.example` is used by gateways[1] already; a "
            "domain is local, relayed, or one gateway's\n"
            "t.yaml:8:11: gateways[2].domain: `d.example` is used by gateways[1].aliases[2] "
            "already; a domain is local, relayed, or one gateway's");
}

TEST(ValidateAccountsTest, AddressLeadsToOneAccount) {
  EXPECT_EQ(ErrorsOf(std::string(kMx) + "accounts:\n"
                                        "- {address: a@x.example, aliases: [b@x.example]}\n"
                                        "- {address: c@x.example, aliases: [a@X.example]}\n"),
            "t.yaml:4:36: accounts[1].aliases[0]: `a@x.example` belongs to accounts[0] already; an "
            "address leads to one account");
}

TEST(ValidateAccountsTest, PasswordsHaveAKnownForm) {
  for (const char* form : {"{PLAIN}x", "{CRAM-MD5}0011", "$argon2id$v=19$m=1", "SCRAM-SHA-256$4096",
                           "{PLAIN}x\\n$argon2id$y\\n"}) {
    EXPECT_EQ(ErrorsOf(std::string(kMx) + "accounts: [{address: a@x.example, password: \"" + form +
                       "\"}]\n"),
              "accepted");
  }
  EXPECT_THAT(ErrorsOf(std::string(kMx) +
                       "accounts: [{address: a@x.example, password: \"{PLAIN}x\\n{MD5}y\"}]\n"),
              HasSubstr("accounts[0].password: has an unknown form; begin a line with `{PLAIN}`"));
}

TEST(ValidateGatewaysTest, DomainsHaveADot) {
  EXPECT_EQ(ErrorsOf(std::string(kMx) + "gateways: [{domain: customer, aliases: [alias]}]\n"),
            "t.yaml:2:21: gateways[0].domain: `customer` has no dot, so neither ETRN nor ATRN can "
            "name it; write the full domain name\n"
            "t.yaml:2:41: gateways[0].aliases[0]: `alias` has no dot, so neither ETRN nor ATRN can "
            "name it; write the full domain name");
}

TEST(ValidateGatewaysTest, AtrnNeedsAPassword) {
  EXPECT_EQ(
      ErrorsOf(std::string(kOdmr) + "gateways: [{domain: a.example, atrn: {enabled: true}}]\n"),
      "t.yaml:2:38: gateways[0].atrn.password: is missing; ATRN needs a login, so give "
      "`password` or `password_file`");
}

TEST(ValidateGatewaysTest, EtrnWithAuthNeedsThePasswordToo) {
  const std::string gateways = "gateways: [{domain: a.example, etrn: {enabled: true";
  EXPECT_THAT(ErrorsOf(kMx + gateways + "}}]\n"),
              HasSubstr("gateways[0].atrn.password: is missing; ETRN with `require_auth`"));
  EXPECT_EQ(ErrorsOf(kMx + gateways + ", require_auth: false}}]\n"), "accepted");
}

TEST(ValidateGatewaysTest, PasswordWithoutCramMd5IsAWarning) {
  const auto gateways = [](const std::string& password) {
    return "gateways: [{domain: a.example, atrn: {enabled: true, password: \"" + password +
           "\"}}]\n";
  };
  EXPECT_THAT(WarningsOf(kOdmr + gateways("$argon2id$x")),
              ElementsAre(HasSubstr("t.yaml:2:64: gateways[0].atrn.password: allows no CRAM-MD5")));
  EXPECT_THAT(WarningsOf(kOdmr + gateways("$argon2id$x\\n{CRAM-MD5}y")), IsEmpty());
  EXPECT_THAT(WarningsOf(kOdmr + gateways("{PLAIN}x")), IsEmpty());
}

TEST(ValidateGatewaysTest, AtrnWithoutAListenerIsAWarning) {
  EXPECT_THAT(WarningsOf(std::string(kMx) + "gateways:\n- domain: a.example\n"
                                            "  atrn: {enabled: true, password: \"{PLAIN}x\"}\n"),
              ElementsAre(HasSubstr("gateways[0].atrn.enabled: no listener answers ATRN")));
}

std::string DeliverTo(const std::string& target) {
  const absl::StatusOr<LoadedConfig> loaded =
      ParseConfig(std::string(kMx) + "gateways: [{domain: a.example, etrn: {deliver_to: \"" +
                      target + "\"}}]\n",
                  "t.yaml");
  return loaded.ok() ? loaded->config.gateways(0).etrn().deliver_to()
                     : std::string(loaded.status().message());
}

TEST(ValidateGatewaysTest, DeliverToIsAHostADomainOrAnAddress) {
  EXPECT_EQ(DeliverTo("requesting_host"), "requesting_host");
  EXPECT_EQ(DeliverTo("Mail.Example.org"), "mail.example.org");
  EXPECT_EQ(DeliverTo("[Mail.Example.org]"), "[mail.example.org]");
  EXPECT_EQ(DeliverTo("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(DeliverTo("2001:DB8::1"), "2001:db8::1");
  EXPECT_EQ(DeliverTo("[192.0.2.1]"), "[192.0.2.1]");
  for (const char* bad : {"[]", "[a b]", "a b", "mail.example.org:25", "300.1.1.1", "[a.example"}) {
    EXPECT_THAT(DeliverTo(bad), HasSubstr("etrn.deliver_to: must be `requesting_host`")) << bad;
  }
}

TEST(ValidateNetworksTest, OpenRelayIsRefused) {
  for (const char* network : {"0.0.0.0/0", "\"::/0\""}) {
    EXPECT_THAT(ErrorsOf(std::string(kMx) + "trusted_networks: [" + network + "]\n"),
                HasSubstr("trusted_networks[0]: makes this an open relay"));
  }
}

TEST(ValidateServicesTest, PlainTextNeedsLoopbackOrPermission) {
  const std::string services = "services: {spool_store: {listen: \"0.0.0.0:7101\"}";
  EXPECT_THAT(ErrorsOf(kMx + services + "}\n"),
              HasSubstr("t.yaml:2:34: services.spool_store.listen: is not loopback"));
  EXPECT_EQ(ErrorsOf(kMx + services + ", allow_plaintext: true}\n"), "accepted");
  const auto with_target = [](const std::string& target) {
    return ErrorsOf(std::string(kMx) + "services: {spool_store: {target: \"" + target + "\"}}\n");
  };
  EXPECT_THAT(with_target("dns:///spool.example:7101"), HasSubstr("target: is not loopback"));
  EXPECT_THAT(with_target("192.0.2.1:7101"), HasSubstr("target: is not loopback"));
  EXPECT_THAT(with_target("ipv6:[2001:db8::1]:7101"), HasSubstr("target: is not loopback"));
  // One that only looks like it, and one of several.
  EXPECT_THAT(with_target("127.0.0.1.spool.example:7101"), HasSubstr("target: is not loopback"));
  EXPECT_THAT(with_target("ipv4:127.0.0.1:7101,192.0.2.1:7101"),
              HasSubstr("target: is not loopback"));
  for (const char* loopback :
       {"127.0.0.1:7101", "localhost:7101", "dns:///localhost:7101", "[::1]:7101",
        "ipv4:127.0.0.9:1", "ipv4:127.0.0.1:1,127.0.0.2:1", "unix:/run/turnpike.sock"}) {
    EXPECT_EQ(with_target(loopback), "accepted") << loopback;
  }
}

TEST(ValidateServicesTest, WithCertificatesTheyMayTalkAcrossMachines) {
  const std::string services =
      "services: {spool_store: {listen: \"0.0.0.0:7101\", target: \"dns:///spool.example:7101\"}";
  const std::string scaler = "spool: {scaler_listen: \"0.0.0.0:7111\"}\n";
  EXPECT_EQ(ErrorsOf(kMx + services + ", tls: {directory: /etc/turnpike/services}}\n" + scaler),
            "accepted");
  EXPECT_THAT(ErrorsOf(kMx + scaler), HasSubstr("spool.scaler_listen: is not loopback"));
  EXPECT_THAT(ErrorsOf(kMx + services + ", tls: {trust_domain: example.org}}\n"),
              HasSubstr("services.tls.directory: is missing"));
}

TEST(ValidateTimesTest, NothingComesAfterExpiry) {
  EXPECT_THAT(ErrorsOf(std::string(kMx) + "retry: {expire_after: 1m}\n"),
              HasSubstr("t.yaml:2:8: retry.first_interval: is longer than `retry.expire_after`"));
  EXPECT_THAT(ErrorsOf(std::string(kMx) + "retry: {warn_after: 6d}\n"),
              HasSubstr("t.yaml:2:21: retry.warn_after: is longer than `retry.expire_after`"));
  // Defaults that come to nothing are no contradiction.
  EXPECT_EQ(ErrorsOf(std::string(kMx) + "retry: {first_interval: 1s, expire_after: 1m}\n"),
            "accepted");
}

TEST(ValidateTimesTest, CacheTimesAreInOrder) {
  EXPECT_THAT(ErrorsOf(std::string(kMx) + "dns: {cache_time_max: 1s}\n"),
              HasSubstr("dns.cache_time_min: is longer than `dns.cache_time_max`"));
}

TEST(ValidateDnsTest, ServersAreAddresses) {
  EXPECT_EQ(ErrorsOf(std::string(kMx) +
                     "dns: {servers: [192.0.2.53, \"127.0.0.1:5353\", \"::1\", \"[::1]:53\"]}\n"),
            "accepted");
  EXPECT_THAT(ErrorsOf(std::string(kMx) + "dns: {servers: [ns.example.org]}\n"),
              HasSubstr("t.yaml:2:17: dns.servers[0]: must be an IP address"));
}

}  // namespace
}  // namespace turnpike::config
