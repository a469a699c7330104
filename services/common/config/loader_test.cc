#include "services/common/config/loader.h"

#include <cstdint>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// PL-32: a working gateway in nine lines.
constexpr char kMinimal[] = R"(hostname: mail.example.org
smtp:
  listeners:
  - {name: mx, role: smtp, listen: "0.0.0.0:25"}
  - {name: odmr, role: odmr, listen: "0.0.0.0:366"}
gateways:
- domain: customer.example
  atrn: {enabled: true, password: "{PLAIN}x"}
)";

// A document that is valid with nothing in it but what the test adds.
std::string WithListener(const std::string& more) {
  return "smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:0\"}]}\n" + more;
}

std::string ErrorsOf(const std::string& yaml, const LoadOptions& options = {}) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(yaml, "t.yaml", options);
  if (loaded.ok()) return "accepted";
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(loaded.status().message());
}

std::string WriteTemporary(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

TEST(LoaderTest, MinimalConfigurationIsUnderTenLines) {
  EXPECT_LT(std::vector<std::string>(absl::StrSplit(kMinimal, '\n')).size(), 10u);
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(kMinimal, "t.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST(LoaderTest, DefaultsAreFilledInAtEveryDepth) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(kMinimal, "t.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const v1::Config& config = loaded->config;
  EXPECT_EQ(config.smtp().message_bytes_max(), 50u << 20);
  EXPECT_EQ(config.smtp().idle_timeout().seconds(), 300);
  EXPECT_EQ(config.delivery().mode(), v1::DELIVERY_MODE_DIRECT);
  EXPECT_EQ(config.retry().expire_after().seconds(), 5 * 86400);
  EXPECT_EQ(config.log().level(), v1::LOG_LEVEL_INFO);
  EXPECT_TRUE(config.gateways(0).atrn().single_session());
  EXPECT_TRUE(config.gateways(0).has_etrn());
  EXPECT_TRUE(config.gateways(0).etrn().require_auth());
  EXPECT_EQ(config.gateways(0).etrn().deliver_to(), "requesting_host");
  EXPECT_TRUE(config.gateways(0).has_access());
  EXPECT_TRUE(config.auth().require_for_local_senders());
  EXPECT_FALSE(config.smtp().listeners(0).has_tls());
  EXPECT_TRUE(config.smtp().listeners(1).odmr());
  EXPECT_EQ(config.services().drain_timeout().seconds(), 25);
  EXPECT_EQ(config.spool().directory(), "/var/spool/turnpike");
}

TEST(LoaderTest, ValuesOfEveryTypeAreRead) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(WithListener(R"(
relay_domains: [Partner.Example, "b\u00fccher.example"]
local_networks: [10.0.0.0/8, "2001:DB8::/32"]
delivery: {smtp_port: 2525, tls: none, idle_timeout: 1500ms}
spool: {free_bytes_min: 1GiB, directory: spool}
retry: {on_expire: park}
)"),
                                                          "/etc/turnpike/t.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const v1::Config& config = loaded->config;
  EXPECT_THAT(config.relay_domains(), ElementsAre("partner.example", "xn--bcher-kva.example"));
  EXPECT_THAT(config.local_networks(), ElementsAre("10.0.0.0/8", "2001:db8::/32"));
  EXPECT_EQ(config.delivery().smtp_port(), 2525u);
  EXPECT_EQ(config.delivery().tls(), v1::DELIVERY_TLS_NONE);
  EXPECT_EQ(config.delivery().idle_timeout().seconds(), 1);
  EXPECT_EQ(config.delivery().idle_timeout().nanos(), 500'000'000);
  EXPECT_EQ(config.spool().free_bytes_min(), uint64_t{1} << 30);
  EXPECT_EQ(config.spool().directory(), "/etc/turnpike/spool");
  EXPECT_EQ(config.retry().on_expire(), v1::ON_EXPIRE_PARK);
}

TEST(LoaderTest, PlacesOfWrittenKeysAreKept) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(kMinimal, "t.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->places.at("gateways[0].atrn.password"), "t.yaml:8:35");
  EXPECT_EQ(loaded->places.at("hostname"), "t.yaml:1:11");
  EXPECT_EQ(loaded->places.count("gateways[0].etrn.port"), 0u);
}

struct BadDocument {
  const char* yaml;
  const char* errors;
};

void PrintTo(const BadDocument& document, std::ostream* out) { *out << document.yaml; }

// Each document has what the errors say, and nothing else that is wrong.
class BadDocumentTest : public testing::TestWithParam<BadDocument> {};

TEST_P(BadDocumentTest, IsRefusedWithPlaceKeyAndWayOut) {
  EXPECT_EQ(ErrorsOf(GetParam().yaml), GetParam().errors);
}

INSTANTIATE_TEST_SUITE_P(
    Reader, BadDocumentTest,
    testing::Values(
        BadDocument{"gateway: []\n", "t.yaml:1:1: gateway: unknown key; did you mean `gateways`?"},
        BadDocument{"gateways:\n- domain: a.example\n  etrn: {prot: 25}\n",
                    "t.yaml:3:10: gateways[0].etrn.prot: unknown key; did you mean `port`?"},
        BadDocument{"log: {verbosity: 3}\n",
                    "t.yaml:1:7: log.verbosity: unknown key; the keys here are level, "
                    "redact_addresses"},
        BadDocument{"log: {level: info}\nhostname: a.example\nlog: {}\n",
                    "t.yaml:3:1: log: given twice, first in line 1; take one away"},
        BadDocument{"? [a]\n: 1\n", "t.yaml:1:3: a key must be a plain word"},
        BadDocument{"- a\n", "t.yaml:1:1: must hold keys with values"},
        BadDocument{"just text\n", "t.yaml:1:1: must hold keys with values"},
        BadDocument{"smtp: 25\n", "t.yaml:1:7: smtp: must hold keys with values"},
        BadDocument{"gateways: {domain: a.example}\n",
                    "t.yaml:1:11: gateways: must be a list; begin each entry with `- `"},
        BadDocument{"relay_domains: a.example\n",
                    "t.yaml:1:16: relay_domains: must be a list; begin each entry with `- `"},
        BadDocument{"relay_domains: [[a.example]]\n",
                    "t.yaml:1:17: relay_domains[0]: must be a single value, not a list"},
        BadDocument{"hostname: {a: b}\n",
                    "t.yaml:1:11: hostname: must be a single value, not a map"},
        BadDocument{"hostname:\n",
                    "t.yaml:1:1: hostname: has no value; write one or take the key away"},
        BadDocument{"hostname: \"\"\n",
                    "t.yaml:1:11: hostname: must be a domain name such as `example.org`, not ``"},
        BadDocument{"gateways:\n- aliases: [b.example]\n",
                    "t.yaml:2:3: gateways[0].domain: is missing; it has no default"},
        BadDocument{"gateways:\n- domain: a.example\n- domain: b.example\n- domain: A.example\n",
                    "t.yaml:4:11: gateways[2].domain: `a.example` is used by gateways[0] already; "
                    "every entry needs one of its own"},
        BadDocument{"retry: {on_expire: drop}\n",
                    "t.yaml:1:20: retry.on_expire: must be one of `return`, `park`, not `drop`"},
        BadDocument{"delivery: {mode: smarthost}\n",
                    "t.yaml:1:18: delivery.mode: must be one of `direct`, `smart_host`, "
                    "`direct_then_smart_host`, not `smarthost`"},
        BadDocument{"delivery: {smtp_port: 0}\n",
                    "t.yaml:1:23: delivery.smtp_port: must be at least 1"},
        BadDocument{"delivery: {smtp_port: 65536}\n",
                    "t.yaml:1:23: delivery.smtp_port: must be at most 65535"},
        BadDocument{"smtp: {message_bytes_max: 3GiB}\n",
                    "t.yaml:1:27: smtp.message_bytes_max: must be at most 2GiB"},
        BadDocument{"smtp: {idle_timeout: 2h}\n",
                    "t.yaml:1:22: smtp.idle_timeout: must be at most 1h"},
        BadDocument{"smtp: {idle_timeout: 99}\n",
                    "t.yaml:1:22: smtp.idle_timeout: must be a time such as `90s`, `5m`, `4h` or "
                    "`5d`, not `99`"},
        BadDocument{"auth: {cram_md5: on}\n",
                    "t.yaml:1:18: auth.cram_md5: must be `true` or `false`, not `on`"},
        BadDocument{"trusted_networks: [10.0.0.1/8]\n",
                    "t.yaml:1:20: trusted_networks[0]: `10.0.0.1/8` has bits set behind its "
                    "prefix; write `10.0.0.0/8` or a longer prefix"},
        BadDocument{"accounts:\n- {address: a@b.example, password_file: nonexistent}\n",
                    "t.yaml:2:41: accounts[0].password_file: cannot read ./nonexistent: No such "
                    "file or directory"},
        BadDocument{"a: *x\n",
                    "t.yaml:1:4: YAML syntax: the referenced anchor is not defined; look at this "
                    "line and the one before it"},
        BadDocument{"hostname: &h a.example\nrelay_domains: [*h]\n",
                    "t.yaml:1:11: anchors (`&name`) are not read; take it away\n"
                    "t.yaml:2:17: aliases (`*name`) are not read; write the value out"}));

TEST(LoaderTest, AllErrorsAreToldAtOnce) {
  EXPECT_EQ(ErrorsOf("smpt: {}\nretry: {intervall: 1h, on_expire: 5}\ngateways: [{}]\n"),
            "t.yaml:1:1: smpt: unknown key; did you mean `smtp`?\n"
            "t.yaml:2:9: retry.intervall: unknown key; did you mean `interval`?\n"
            "t.yaml:2:35: retry.on_expire: must be one of `return`, `park`, not `5`\n"
            "t.yaml:3:12: gateways[0].domain: is missing; it has no default");
}

TEST(LoaderTest, SyntaxErrorsHaveALine) {
  EXPECT_THAT(ErrorsOf("smtp:\n  listeners: [\ngateways: []\n"), StartsWith("t.yaml:3:"));
}

TEST(LoaderTest, ListenersMayShareThePortThatIsPickedForThem) {
  EXPECT_EQ(ErrorsOf("smtp:\n  listeners:\n"
                     "  - {name: a, role: smtp, listen: \"127.0.0.1:0\"}\n"
                     "  - {name: b, role: smtp, listen: \"127.0.0.1:0\"}\n"),
            "accepted");
}

TEST(LoaderTest, SecretsComeFromFilesBesideTheDocument) {
  const std::string secret = WriteTemporary("secret", "{PLAIN}tide table\r\n\n");
  const std::string path = WriteTemporary(
      "secrets.yaml", WithListener("accounts:\n- {address: a@b.example, password_file: secret}\n"
                                   "- {address: c@b.example, password_file: " +
                                   secret + "}\n"));
  const absl::StatusOr<LoadedConfig> loaded = LoadConfig(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.accounts(0).password(), "{PLAIN}tide table");
  EXPECT_EQ(loaded->config.accounts(1).password(), "{PLAIN}tide table");
}

TEST(LoaderTest, ServicesLeaveSecretsOfOthersAlone) {
  const std::string yaml = WithListener(
      "gateways:\n- domain: a.example\n"
      "  atrn: {enabled: true, password_file: /nonexistent}\n");
  EXPECT_THAT(ErrorsOf(yaml), HasSubstr("cannot read /nonexistent"));
  EXPECT_THAT(ErrorsOf(yaml, {.service = "auth-service"}), HasSubstr("cannot read /nonexistent"));
  const auto loaded = ParseConfig(yaml, "t.yaml", {.service = "outbound-delivery"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.gateways(0).atrn().password(), "");
}

TEST(LoaderTest, SecretAndItsFileContradictEachOther) {
  const std::string path = WriteTemporary("secret2", "{PLAIN}x\n");
  EXPECT_THAT(ErrorsOf(WithListener("accounts:\n- address: a@b.example\n  password: \"{PLAIN}y\"\n"
                                    "  password_file: " +
                                    path + "\n")),
              StartsWith("t.yaml:5:18: accounts[0].password_file: `password` is given too"));
}

TEST(LoaderTest, EmptySecretFilesAreRefused) {
  const std::string path = WriteTemporary("secret3", "\n");
  EXPECT_THAT(
      ErrorsOf(WithListener("accounts:\n- address: a@b.example\n  password_file: " + path + "\n")),
      HasSubstr("accounts[0].password_file: " + path + " is empty"));
}

TEST(LoaderTest, ErrorsNeverShowSecrets) {
  const std::string yaml =
      WithListener("accounts:\n- {address: a@b.example, password: hunter2hunter2}\n");
  EXPECT_THAT(ErrorsOf(yaml), HasSubstr("accounts[0].password: has an unknown form"));
  EXPECT_THAT(ErrorsOf(yaml), testing::Not(HasSubstr("hunter2")));
}

TEST(LoaderTest, MissingFileIsNotFoundAndNamed) {
  EXPECT_EQ(LoadConfig("/nonexistent/t.yaml").status(),
            absl::NotFoundError("/nonexistent/t.yaml: No such file or directory"));
}

TEST(LoaderTest, TenThousandGatewaysLoad) {
  std::string yaml = WithListener("gateways:\n");
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&yaml, "- domain: d", i, ".example\n");
  const auto loaded = ParseConfig(yaml, "t.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.gateways_size(), 10'000);
}

}  // namespace
}  // namespace turnpike::config
