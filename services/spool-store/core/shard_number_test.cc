#include "services/spool-store/core/shard_number.h"

#include <gtest/gtest.h>

namespace turnpike::spool {
namespace {

TEST(ShardNumberTest, FlagCountsBeforeTheMachinesName) {
  EXPECT_EQ(*FindShardNumber(1, 3, "turnpike-spool-store-2"), 1u);
}

TEST(ShardNumberTest, NumberIsAtTheEndOfTheMachinesName) {
  EXPECT_EQ(*FindShardNumber(std::nullopt, 3, "turnpike-spool-store-2"), 2u);
  EXPECT_EQ(*FindShardNumber(std::nullopt, 12, "store-11.store.mail.svc"), 11u);
}

TEST(ShardNumberTest, StoreAloneIsShardZeroWhateverItsMachineIsCalled) {
  EXPECT_EQ(*FindShardNumber(std::nullopt, 0, "mail-7"), 0u);
  EXPECT_EQ(*FindShardNumber(std::nullopt, 1, "mail-7"), 0u);
  EXPECT_EQ(*FindShardNumber(0, 0, "mail"), 0u);
}

TEST(ShardNumberTest, NameWithoutNumberIsRefusedWhenThereAreSeveralShards) {
  for (const char* name : {"mail", "mail-", "mail-x2", "mail2", "a-+1", ""}) {
    const auto number = FindShardNumber(std::nullopt, 2, name);
    ASSERT_FALSE(number.ok()) << name;
    EXPECT_NE(number.status().message().find("--shard"), absl::string_view::npos);
  }
}

TEST(ShardNumberTest, NumberOutsideOfTheConfiguredShardsIsRefused) {
  EXPECT_FALSE(FindShardNumber(3, 3, "x").ok());
  EXPECT_FALSE(FindShardNumber(1, 0, "x").ok());
  EXPECT_FALSE(FindShardNumber(std::nullopt, 3, "store-3").ok());
}

}  // namespace
}  // namespace turnpike::spool
