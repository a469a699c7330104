#include "services/common/config/validate_gateways.h"

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

constexpr char kBase[] =
    "hostname: gate.example.org\n"
    "smtp: {listeners: [{name: mx, role: smtp, listen: \"0.0.0.0:25\"}]}\n";

std::string ErrorsOf(const std::string& settings) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(
      std::string(kBase) + "gateways: [{domain: branch.example, aliases: [bücher.example], " +
          settings + "}]\n",
      "t.yaml");
  return loaded.ok() ? "accepted" : std::string(loaded.status().message());
}

TEST(ValidateGatewaysTest, IntervalNeedsATarget) {  // DQ-3
  EXPECT_THAT(ErrorsOf("forward_every: 1h"), HasSubstr("gateways[0].forward_every: goes nowhere"));
  EXPECT_EQ(ErrorsOf("forward_every: 1h, etrn: {deliver_to: mx.branch.example}"), "accepted");
}

TEST(ValidateGatewaysTest, LoginNeedsATargetAndAPassword) {  // DQ-15
  const std::string login = "auth: {username: turnpike, password: x}";
  EXPECT_THAT(ErrorsOf("etrn: {" + login + "}"),
              HasSubstr("gateways[0].etrn.auth: would show the password"));
  EXPECT_EQ(ErrorsOf("etrn: {deliver_to: \"[host.example]\", " + login + "}"), "accepted");
  EXPECT_THAT(ErrorsOf("etrn: {deliver_to: 192.0.2.1, auth: {username: turnpike}}"),
              HasSubstr("gateways[0].etrn.auth: has no password"));
}

TEST(ValidateGatewaysTest, ForeignTargetThatIsNoneIsWarnedOf) {  // DQ-17
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(
      std::string(kBase) +
          "gateways: [{domain: branch.example, etrn: {treat_target_as_foreign: true}}]\n",
      "t.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->warnings,
              ElementsAre(HasSubstr("gateways[0].etrn.treat_target_as_foreign: does nothing")));
}

TEST(ValidateGatewaysTest, RecipientsAreInTheGatewaysDomains) {  // DQ-4
  EXPECT_EQ(ErrorsOf("recipients: [ann@Branch.example, bob@bücher.example]"), "accepted");
  EXPECT_THAT(ErrorsOf("recipients: [ann@branch.example, bob@elsewhere.example]"),
              HasSubstr("gateways[0].recipients[1]: `bob@elsewhere.example` is in none"));
}

TEST(ValidateGatewaysTest, NetworkIsInOneList) {  // DQ-41
  EXPECT_THAT(
      ErrorsOf("access: {honor_from: [192.0.2.0/24, \"2001:db8::/32\"], "
               "ignore_from: [\"2001:DB8::/32\"]}"),
      HasSubstr("gateways[0].access.honor_from[1]: `2001:db8::/32` is in `ignore_from` too"));
  EXPECT_EQ(ErrorsOf("access: {honor_from: [192.0.2.0/24], ignore_from: [192.0.2.7]}"), "accepted");
}

}  // namespace
}  // namespace turnpike::config
