#include "services/common/config/validate_collections.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/loader.h"

namespace turnpike::config {
namespace {

using testing::HasSubstr;

constexpr char kBase[] =
    "hostname: gate.example.org\n"
    "smtp: {listeners: [{name: mx, role: smtp, listen: \"0.0.0.0:25\"}]}\n"
    "local_domains: [{domain: bücher.example, mailbox_server: \"127.0.0.1:24\"}]\n";
constexpr char kCollection[] =
    "name: isp, host: odmr.example, auth: {username: me.example, password: x}";

std::string ErrorsOf(const std::string& settings) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(absl::StrCat(kBase, settings), "t.yaml");
  return loaded.ok() ? "accepted" : std::string(loaded.status().message());
}

std::string Collection(const std::string& more) {
  return ErrorsOf(absl::StrCat("collections: [{", kCollection, more, "}]\n"));
}

std::string Request(const std::string& settings) {
  return ErrorsOf(absl::StrCat("requests: [{name: isp, host: mx.example, ", settings, "}]\n"));
}

TEST(ValidateCollectionsTest, BalancersAreNotEverybody) {  // PL-5
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(
      "smtp: {listeners: [{name: mx, role: smtp, listen: \"0.0.0.0:25\", "
      "proxy_protocol_from: [10.0.0.0/8, \"::/0\"]}]}\n",
      "t.yaml");
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(std::string(loaded.status().message()),
              HasSubstr("smtp.listeners[0].proxy_protocol_from[1]: lets everybody"));
}

TEST(ValidateCollectionsTest, CollectionNeedsALoginWithAPassword) {
  EXPECT_EQ(Collection(""), "accepted");
  EXPECT_THAT(ErrorsOf("collections: [{name: isp, host: odmr.example}]\n"),
              HasSubstr("collections[0].auth: is missing"));
  EXPECT_THAT(ErrorsOf("collections: [{name: isp, host: a.example, auth: {username: me}}]\n"),
              HasSubstr("collections[0].auth: has no password"));
}

TEST(ValidateCollectionsTest, DomainsAreOurs) {
  EXPECT_EQ(Collection(", domains: [bücher.example]"), "accepted");
  EXPECT_THAT(Collection(", domains: [other.example]"),
              HasSubstr("collections[0].domains[0]: `other.example` is neither local"));
  EXPECT_THAT(Collection(", domains: [localhost]"),
              HasSubstr("collections[0].domains[0]: `localhost` has no dot"));
}

TEST(ValidateCollectionsTest, HostIsANameOrAnAddress) {
  EXPECT_THAT(ErrorsOf("collections: [{name: isp, host: \"a.example:366\", "
                       "auth: {username: me, password: x}}]\n"),
              HasSubstr("collections[0].host: must be a host name"));
  EXPECT_EQ(ErrorsOf("collections: [{name: isp, host: \"2001:db8::1\", "
                     "auth: {username: me, password: x}}]\n"),
            "accepted");
}

TEST(ValidateCollectionsTest, ScheduleIsOneThing) {
  EXPECT_EQ(Collection(", schedule: {every: 10m}"), "accepted");
  EXPECT_EQ(Collection(", schedule: {cron: \"*/15 6-20 * * mon-fri\"}"), "accepted");
  EXPECT_THAT(Collection(", schedule: {every: 10m, cron: \"* * * * *\"}"),
              HasSubstr("collections[0].schedule.cron: is given together"));
  EXPECT_THAT(Collection(", schedule: {cron: \"* 24 * * *\"}"),
              HasSubstr("collections[0].schedule.cron: the hour must be"));
  EXPECT_THAT(Collection(", schedule: {every: 10ms}"),
              HasSubstr("collections[0].schedule.every: must be"));
  EXPECT_THAT(Collection(", schedule: {retry_after: 2h}"),
              HasSubstr("collections[0].schedule.retry_after: is longer"));
}

TEST(ValidateCollectionsTest, AuthoritiesNeedACheck) {
  EXPECT_THAT(Collection(", tls: none, authorities_file: /etc/passwd"),
              HasSubstr("collections[0].authorities_file: does nothing"));
  EXPECT_EQ(Collection(", tls: implicit, authorities_file: /etc/passwd"), "accepted");
}

TEST(ValidateCollectionsTest, RequestNamesWhatEtrnCanSay) {
  EXPECT_EQ(Request("domains: [bücher.example, \"@me.example\", \"#queue\"]"), "accepted");
  EXPECT_THAT(Request("schedule: {every: 1h}"), HasSubstr("requests[0].domains: is missing"));
  for (const std::string bad : {"nodot", "\"@nodot\"", "\"#\"", "\"#a b\"", "\"!me.example\"",
                                "\"me.example\\r\\nQUIT\""}) {
    EXPECT_THAT(Request(absl::StrCat("domains: [", bad, "]")),
                HasSubstr("requests[0].domains[0]: must"))
        << bad;
  }
}

}  // namespace
}  // namespace turnpike::config
