#include "services/spool-store/client/due_leases.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "services/common/base/clock.h"
#include "services/spool-store/client/shard_id.h"
#include "services/spool-store/client/testing_shards.h"

namespace turnpike::spool {
namespace {

const absl::Status& Away() {
  static const auto* const kAway = new absl::Status(absl::UnavailableError("away"));
  return *kAway;
}

class DueLeasesTest : public testing::Test {
 protected:
  ~DueLeasesTest() override { End(); }

  void Start(size_t shards) {
    shards_ = std::make_unique<TestShards>(shards, clock_);
    v1::LeaseOpen open;
    open.mutable_due();
    leases_ = std::make_shared<DueLeases>(shards_->shards(), open, recorder_, clock_);
    leases_->Start();
  }
  void End() {
    if (leases_ == nullptr) return;
    leases_->Close(absl::CancelledError("end"));
    leases_->Free();
  }
  // `count` due deliveries in the queue `name` of one shard.
  void Store(size_t shard, int count, const std::string& name = "example.org") {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(StoreIn(shards_->store(shard),
                          TestMessage(++last_id_, v1::QUEUE_KIND_REMOTE, name, false)));
    }
  }
  bool Tick(absl::Duration later) {
    clock_.Advance(later);
    return leases_->Tick(clock_.Now());
  }
  // How many came of each shard.
  std::vector<int> Counts() {
    std::vector<int> counts(shards_->shards().size(), 0);
    for (const auto& delivery : recorder_->leased())
      ++counts[ShardOf(delivery.token().delivery_id())];
    return counts;
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  std::unique_ptr<TestShards> shards_;
  const std::shared_ptr<LeaseRecorder> recorder_ = std::make_shared<LeaseRecorder>();
  std::shared_ptr<DueLeases> leases_;
  uint64_t last_id_ = 0;
};

TEST_F(DueLeasesTest, WorkComesFromEveryShard) {
  Start(3);
  for (size_t shard = 0; shard < 3; ++shard) Store(shard, 10);
  leases_->AddCredit(15);
  EXPECT_EQ(Counts(), (std::vector<int>{5, 5, 5}));
  leases_->AddCredit(15);
  EXPECT_EQ(Counts(), (std::vector<int>{10, 10, 10}));
}

TEST_F(DueLeasesTest, CreditGoesWhereItIsUsed) {
  Start(2);
  Store(1, 30);
  leases_->AddCredit(10);
  for (int i = 0; i < 20; ++i) leases_->AddCredit(1);
  EXPECT_EQ(Counts(), (std::vector<int>{0, 25}));
}

TEST_F(DueLeasesTest, OneCreditReachesEveryShard) {
  Start(3);
  leases_->AddCredit(1);
  Store(2, 1);
  EXPECT_EQ(Counts(), (std::vector<int>{0, 0, 1}));
}

TEST_F(DueLeasesTest, LostShardIsToldAndOpenedAgainWithItsCredit) {
  Start(2);
  leases_->AddCredit(10);
  Tick(absl::Seconds(1));
  shards_->store(1).BreakStreams(Away());
  EXPECT_EQ(recorder_->lost(), std::vector<uint32_t>{1});
  EXPECT_TRUE(recorder_->closed().empty());
  EXPECT_TRUE(Tick(absl::Milliseconds(60)));
  Store(0, 8);
  Store(1, 8);
  EXPECT_EQ(Counts(), (std::vector<int>{5, 5}));
}

TEST_F(DueLeasesTest, ShardThatStaysAwayIsToldOnce) {
  Start(2);
  Tick(absl::Seconds(1));
  shards_->store(0).SetLeaseStatus(Away());
  shards_->store(0).BreakStreams(Away());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Tick(absl::Seconds(3)));
  EXPECT_EQ(recorder_->lost(), std::vector<uint32_t>{0});
  shards_->store(0).SetLeaseStatus(absl::OkStatus());
  Tick(absl::Seconds(3));
  Tick(absl::Seconds(1));
  shards_->store(0).BreakStreams(Away());
  EXPECT_EQ(recorder_->lost(), (std::vector<uint32_t>{0, 0}));
}

TEST_F(DueLeasesTest, ItIsOverWhenNoShardIsLeft) {
  Start(2);
  Tick(absl::Seconds(1));
  for (size_t i : {0, 1}) {
    shards_->store(i).SetLeaseStatus(Away());
    shards_->store(i).BreakStreams(Away());
  }
  ASSERT_EQ(recorder_->closed().size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(recorder_->closed()[0]));
  EXPECT_FALSE(Tick(absl::Seconds(1)));
}

TEST_F(DueLeasesTest, ItIsOverWhenNoShardCanBeOpened) {
  shards_ = std::make_unique<TestShards>(2, clock_);
  for (size_t i : {0, 1}) shards_->store(i).SetLeaseStatus(Away());
  v1::LeaseOpen open;
  open.mutable_due();
  leases_ = std::make_shared<DueLeases>(shards_->shards(), open, recorder_, clock_);
  leases_->Start();
  EXPECT_EQ(recorder_->closed().size(), 1u);
}

TEST_F(DueLeasesTest, PausedQueuesStayPausedOverANewStream) {
  Start(2);
  v1::QueueName queue;
  queue.set_kind(v1::QUEUE_KIND_REMOTE);
  queue.set_name("slow.example");
  leases_->Pause(queue);
  Tick(absl::Seconds(1));
  shards_->store(1).BreakStreams(Away());
  Tick(absl::Seconds(1));
  Store(0, 3, "slow.example");
  Store(1, 3, "slow.example");
  leases_->AddCredit(10);
  EXPECT_EQ(Counts(), (std::vector<int>{0, 0}));
  leases_->Resume(queue);
  EXPECT_EQ(Counts(), (std::vector<int>{3, 3}));
}

TEST_F(DueLeasesTest, HandedBackDeliveryIsItsShards) {
  Start(2);
  Store(1, 1);
  leases_->AddCredit(4);
  const auto leased = recorder_->leased();
  ASSERT_EQ(leased.size(), 1u);
  leases_->StreamOf(leased[0].token())->HandBack(leased[0].token());
  EXPECT_EQ(recorder_->leased().size(), 2u);  // at once given again
  EXPECT_EQ(shards_->store(1).deliveries()[0].state(), v1::DELIVERY_STATE_LEASED);
}

TEST_F(DueLeasesTest, CloseEndsTheStreams) {
  Start(2);
  End();
  EXPECT_TRUE(shards_->store(0).lease_streams().empty());
  EXPECT_TRUE(shards_->store(1).lease_streams().empty());
  ASSERT_EQ(recorder_->closed().size(), 1u);
  EXPECT_TRUE(absl::IsCancelled(recorder_->closed()[0]));
}

}  // namespace
}  // namespace turnpike::spool
