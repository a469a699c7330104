#include "services/common/process/flags.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace turnpike::process {
namespace {

absl::StatusOr<Flags> Parse(std::vector<const char*> arguments,
                            const std::string& service = "spool-store") {
  arguments.insert(arguments.begin(), service.c_str());
  return ParseFlags(service, static_cast<int>(arguments.size()), arguments.data());
}

TEST(FlagsTest, ConfigIsReadInBothForms) {
  EXPECT_EQ(Parse({"--config", "a.yaml"})->config, "a.yaml");
  EXPECT_EQ(Parse({"--config=b.yaml"})->config, "b.yaml");
}

TEST(FlagsTest, CheckIsReadBesideConfig) {
  const absl::StatusOr<Flags> flags = Parse({"--check", "--config", "a.yaml"});
  ASSERT_TRUE(flags.ok());
  EXPECT_TRUE(flags->check);
}

TEST(FlagsTest, ShardIsTheStoresOnly) {
  EXPECT_EQ(Parse({"--config=a", "--shard", "0"})->shard, 0u);
  EXPECT_EQ(Parse({"--config=a", "--shard=255"})->shard, 255u);
  EXPECT_EQ(Parse({"--config=a"})->shard, std::nullopt);
  EXPECT_EQ(Parse({"--config=a", "--shard=256"}).status(),
            absl::InvalidArgumentError("--shard: must be a number from 0 to 255, not 256"));
  EXPECT_FALSE(Parse({"--config=a", "--shard=x"}).ok());
  EXPECT_EQ(Parse({"--config=a", "--shard=1"}, "auth-service").status(),
            absl::InvalidArgumentError("--shard=1: unknown flag"));
}

TEST(FlagsTest, ConfigMayBeMissingOnlyForVersionAndHelp) {
  EXPECT_TRUE(Parse({"--version"})->version);
  EXPECT_TRUE(Parse({"--help"})->help);
  EXPECT_EQ(Parse({}).status(), absl::InvalidArgumentError("--config FILE is missing"));
  EXPECT_EQ(Parse({"--check"}).status(), absl::InvalidArgumentError("--config FILE is missing"));
}

TEST(FlagsTest, AnythingElseIsRefused) {
  EXPECT_EQ(Parse({"--confg=x"}).status(), absl::InvalidArgumentError("--confg=x: unknown flag"));
  EXPECT_EQ(Parse({"x"}).status(), absl::InvalidArgumentError("x: unknown flag"));
  EXPECT_EQ(Parse({"--config"}).status(),
            absl::InvalidArgumentError("--config: a file name must follow"));
}

}  // namespace
}  // namespace turnpike::process
