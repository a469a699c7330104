#include "services/common/config/validate_spool.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/loader.h"

namespace turnpike::config {
namespace {

using testing::HasSubstr;

std::string ErrorsOf(const std::string& spool) {
  const absl::StatusOr<LoadedConfig> loaded = ParseConfig(
      absl::StrCat("smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:0\"}]}\n"
                   "spool: {shards: ",
                   spool, "}\n"),
      "t.yaml");
  return loaded.ok() ? "accepted" : std::string(loaded.status().message());
}

TEST(ValidateSpoolTest, EachShardHasATargetOfItsOwn) {
  EXPECT_EQ(ErrorsOf("[\"127.0.0.1:1\", \"127.0.0.1:2\"]"), "accepted");
  EXPECT_EQ(ErrorsOf("[\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:1\"]"),
            "t.yaml:2:48: spool.shards[2]: `127.0.0.1:1` is spool.shards[0] already; every shard "
            "has a target of its own");
  EXPECT_THAT(ErrorsOf("[\"\"]"), HasSubstr("spool.shards[0]: must not be empty"));
}

TEST(ValidateSpoolTest, ShardsAreAtMost256) {
  std::string targets = "\"127.0.0.1:1\"";
  for (int i = 2; i <= 256; ++i) absl::StrAppend(&targets, ", \"127.0.0.1:", i, "\"");
  EXPECT_EQ(ErrorsOf(absl::StrCat("[", targets, "]")), "accepted");
  EXPECT_EQ(ErrorsOf(absl::StrCat("[", targets, ", \"127.0.0.1:257\"]")),
            "t.yaml:2:17: spool.shards: has 257 entries; there are at most 256 shards");
}

TEST(ValidateSpoolTest, ShardsOfOtherMachinesNeedTlsOrPermission) {
  EXPECT_THAT(ErrorsOf("[\"192.0.2.1:7101\"]"), HasSubstr("spool.shards[0]: is not loopback"));
}

}  // namespace
}  // namespace turnpike::config
