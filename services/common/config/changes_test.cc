#include "services/common/config/changes.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/loader.h"

namespace turnpike::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A complete configuration with these lines.
v1::Config With(const std::string& lines) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(
      absl::StrCat("hostname: mail.example.org\n"
                   "smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:0\"}]}\n",
                   lines),
      "t.yaml");
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? loaded->config : v1::Config();
}

TEST(ChangesTest, EqualConfigurationsHaveNone) {
  v1::Config loaded = With("relay_domains: [a.example]\n");
  EXPECT_TRUE(TakeChanges(With("relay_domains: [a.example]\n"), loaded).empty());
}

TEST(ChangesTest, ChangedKeysAreToldByTheirPaths) {
  v1::Config loaded = With("relay_domains: [b.example]\nretry: {interval: 2h}\n");
  const Changes changes =
      TakeChanges(With("relay_domains: [a.example]\nretry: {interval: 1h}\n"), loaded);
  // Every route's retry is completed from the common one; there is no route here.
  EXPECT_THAT(changes.taken, ElementsAre("relay_domains", "retry.interval"));
  EXPECT_THAT(changes.at_restart, IsEmpty());
  EXPECT_EQ(loaded.retry().interval().seconds(), 7200);
}

TEST(ChangesTest, KeyThatIsTakenAtStartKeepsTheRunningValue) {
  v1::Config loaded =
      With("spool: {directory: /b, free_bytes_min: 2MiB, shards: [\"127.0.0.1:1\"]}\n");
  const Changes changes =
      TakeChanges(With("spool: {directory: /a, free_bytes_min: 1MiB}\n"), loaded);
  EXPECT_THAT(changes.taken, ElementsAre("spool.free_bytes_min"));
  EXPECT_THAT(changes.at_restart, ElementsAre("spool.directory", "spool.shards"));
  EXPECT_EQ(loaded.spool().directory(), "/a");
  EXPECT_EQ(loaded.spool().shards_size(), 0);
  EXPECT_EQ(loaded.spool().free_bytes_min(), uint64_t{2} << 20);
}

TEST(ChangesTest, SectionThatIsTakenAtStartIsToldKeyByKey) {
  v1::Config loaded = With("services: {drain_timeout: 3s, spool_store: {listen: \"[::1]:1\"}}\n");
  const v1::Config running = With("");
  const Changes changes = TakeChanges(running, loaded);
  EXPECT_THAT(changes.taken, IsEmpty());
  EXPECT_THAT(changes.at_restart,
              ElementsAre("services.spool_store.listen", "services.spool_store.target",
                          "services.drain_timeout"));
  EXPECT_EQ(loaded.services().SerializeAsString(), running.services().SerializeAsString());
}

TEST(ChangesTest, EntriesAreComparedByTheirNames) {
  v1::Config loaded = With(
      "gateways:\n"
      "- {domain: new.example, atrn: {enabled: false}}\n"
      "- {domain: b.example, atrn: {enabled: false}, etrn: {port: 26}}\n");
  const Changes changes = TakeChanges(With("gateways:\n"
                                           "- {domain: a.example, atrn: {enabled: false}}\n"
                                           "- {domain: b.example, atrn: {enabled: false}}\n"),
                                      loaded);
  EXPECT_THAT(changes.taken, ElementsAre("gateways", "gateways[1].etrn.port"));
}

TEST(ChangesTest, SecretsAreToldWithoutTheirValues) {
  v1::Config loaded = With("accounts: [{address: a@x.example, password: \"{PLAIN}new\"}]\n");
  const Changes changes =
      TakeChanges(With("accounts: [{address: a@x.example, password: \"{PLAIN}old\"}]\n"), loaded);
  EXPECT_THAT(changes.taken, ElementsAre("accounts[0].password"));
}

TEST(ChangesTest, SectionThatComesOrGoesIsToldAsAWhole) {
  v1::Config loaded =
      With("directory: {dovecot: {userdb_socket: /run/a, client_socket: /run/b}}\n");
  const v1::Config running = With("");
  EXPECT_THAT(TakeChanges(running, loaded).taken, ElementsAre("directory.dovecot"));
}

}  // namespace
}  // namespace turnpike::config
