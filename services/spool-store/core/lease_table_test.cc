#include "services/spool-store/core/lease_table.h"

#include <gtest/gtest.h>

#include "services/spool-store/core/queue.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kDuration = absl::Minutes(5);

class LeaseTableTest : public testing::Test {
 protected:
  const absl::Time start_ = absl::FromUnixSeconds(1'700'000'000);
  LeaseTable table_{3};
  HolderId holder_ = table_.AddHolder(kDuration);
};

TEST_F(LeaseTableTest, DeliveryIsLeasedOnce) {
  EXPECT_NE(table_.Claim(1, holder_, start_), nullptr);
  EXPECT_EQ(table_.Claim(1, table_.AddHolder(kDuration), start_), nullptr);
  EXPECT_EQ(table_.count(), 1);
}

TEST_F(LeaseTableTest, FenceGrowsWithEveryLeaseAndEveryStart) {
  Lease* lease = table_.Claim(1, holder_, start_);
  const uint64_t first = lease->fence;
  table_.End(lease);
  const uint64_t second = table_.Claim(1, holder_, start_)->fence;
  EXPECT_GT(second, first);
  EXPECT_TRUE(table_.IsIssued(second));
  EXPECT_FALSE(table_.IsIssued(second + 1));
  EXPECT_FALSE(table_.IsIssued(0));

  LeaseTable next_start(4);
  EXPECT_GT(next_start.Claim(1, kNoHolder, start_)->fence, second);
  EXPECT_TRUE(next_start.IsIssued(second));
}

TEST_F(LeaseTableTest, LeaseExpiresUnlessItIsRenewed) {
  Lease* renewed = table_.Claim(1, holder_, start_);
  Lease* forgotten = table_.Claim(2, holder_, start_);
  table_.Renew(renewed, start_ + absl::Minutes(4));
  EXPECT_TRUE(table_.Expired(start_ + absl::Minutes(4)).empty());
  EXPECT_EQ(table_.Expired(start_ + absl::Minutes(5)), std::vector<Lease*>{forgotten});
  table_.End(forgotten);
  EXPECT_EQ(table_.Expired(start_ + absl::Minutes(9)), std::vector<Lease*>{renewed});
}

TEST_F(LeaseTableTest, LeaseBeingSettledDoesNotExpire) {
  table_.Claim(1, holder_, start_)->is_settling = true;
  EXPECT_TRUE(table_.Expired(start_ + absl::Hours(1)).empty());
}

TEST_F(LeaseTableTest, ExpiredLeaseIsClaimedAgain) {
  table_.Claim(1, holder_, start_);
  for (Lease* lease : table_.Expired(start_ + kDuration)) table_.End(lease);
  EXPECT_NE(table_.Claim(1, holder_, start_ + kDuration), nullptr);
}

TEST_F(LeaseTableTest, DetachedLeaseOutlivesItsHolder) {
  Lease* lease = table_.Claim(1, holder_, start_);
  table_.Claim(2, holder_, start_);
  table_.Detach(lease);
  for (Lease* other : table_.LeasesOf(holder_)) table_.End(other);
  table_.RemoveHolder(holder_);
  EXPECT_EQ(table_.Find(1), lease);
  EXPECT_EQ(table_.Find(2), nullptr);
  table_.End(lease);
  EXPECT_EQ(table_.count(), 0);
}

TEST_F(LeaseTableTest, CountsPerHolderAndQueue) {
  Queue a(std::string("a\0\2", 3));
  Queue b(std::string("b\0\2", 3));
  table_.SetQueue(table_.Claim(1, holder_, start_), &a);
  table_.SetQueue(table_.Claim(2, holder_, start_ + absl::Seconds(1)), &a);
  table_.SetQueue(table_.Claim(3, holder_, start_), &b);
  EXPECT_EQ(table_.count_of(holder_, &a), 2);
  EXPECT_EQ(table_.count_of(holder_), 3);
  EXPECT_EQ(table_.oldest_of(holder_), start_);
  table_.End(table_.Find(1));
  EXPECT_EQ(table_.count_of(holder_, &a), 1);
  EXPECT_EQ(table_.count_of(holder_, &b), 1);
}

}  // namespace
}  // namespace turnpike::spool
