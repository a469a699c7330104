#include "services/spool-store/storage/identity.h"

#include <gtest/gtest.h>

#include <memory>

#include "services/spool-store/client/shard_id.h"
#include "services/spool-store/storage/committer.h"
#include "services/spool-store/storage/testing.h"

namespace turnpike::spool {
namespace {

class IdentityTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    database_ = nullptr;
    auto database = Database::Open({.directory = directory_.path() + "/spool"});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  absl::StatusOr<Identity> Claim(uint32_t shard) {
    return ClaimIdentity(*database_, shard, "/var/spool/x");
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Database> database_;
};

TEST_F(IdentityTest, FolderStaysThatOfItsShard) {
  const auto first = Claim(2);
  ASSERT_TRUE(first.ok()) << first.status();
  Open();
  const auto again = Claim(2);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(again->id.size(), 16u);
}

TEST_F(IdentityTest, AnotherShardsFolderIsRefusedWithWhatToDo) {
  ASSERT_TRUE(Claim(2).ok());
  const absl::Status refused = Claim(1).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_EQ(
      refused.message(),
      "the spool in /var/spool/x is that of shard 2, and this store is shard 1: start it with "
      "--shard 2 (or on the machine whose name ends in it), or give shard 1 a folder of its "
      "own");
}

TEST_F(IdentityTest, FolderOfAVersionWithoutShardsIsShardZero) {
  rocksdb::WriteOptions sync;
  ASSERT_TRUE(
      database_->db().Put(sync, database_->meta(), ToSlice(kReservedIdsKey), "1048576").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Claim(1).status()));
  EXPECT_TRUE(Claim(0).ok());
}

TEST_F(IdentityTest, FoldersHaveDifferentIds) {
  const auto first = Claim(0);
  TemporaryDirectory other;
  auto database = Database::Open({.directory = other.path() + "/spool"});
  ASSERT_TRUE(database.ok());
  EXPECT_NE(ClaimIdentity(**database, 0, "x")->id, first->id);
}

TEST(ShardIdTest, UpperBitsAreTheShard) {
  EXPECT_EQ(ShardOf(FirstIdOf(3) + 17), 3u);
  EXPECT_EQ(ShardOf(17), 0u);
  EXPECT_EQ(FirstIdOf(0), 0u);
  EXPECT_EQ(ShardOf(FirstIdOf(kShardsMax - 1) + (uint64_t{1} << kShardIdShift) - 1),
            kShardsMax - 1);
}

}  // namespace
}  // namespace turnpike::spool
