#include "services/spool-store/client/queue_leases.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "services/common/base/clock.h"
#include "services/spool-store/client/shard_id.h"
#include "services/spool-store/client/testing_shards.h"

namespace turnpike::spool {
namespace {

constexpr char kDomain[] = "customer.example";

const absl::Status& Away() {
  static const auto* const kAway = new absl::Status(absl::UnavailableError("away"));
  return *kAway;
}

class QueueLeasesTest : public testing::Test {
 protected:
  ~QueueLeasesTest() override { End(); }

  void Open(int64_t deliveries_max = 0) {
    v1::LeaseOpen open;
    open.mutable_queue()->mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
    open.mutable_queue()->mutable_queue()->set_name(kDomain);
    open.mutable_queue()->add_recipient_domains(kDomain);
    open.mutable_queue()->set_deliveries_max(deliveries_max);
    leases_ = std::make_shared<QueueLeases>(shards_.shards(), open, recorder_, clock_);
  }
  void End() {
    if (leases_ == nullptr) return;
    leases_->Close(absl::CancelledError("end"));
    leases_->Free();
    leases_->AwaitOpening();
  }
  // Time goes by until a shard that cannot be reached is given up.
  void Wait() {
    for (absl::Duration waited; waited <= QueueLeases::kReachTimeMax;
         waited += QueueLeases::kReachInterval) {
      clock_.Advance(QueueLeases::kReachInterval);
      leases_->Tick(clock_.Now());
    }
  }
  void Store(size_t shard, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(StoreIn(shards_.store(shard),
                          TestMessage(++last_id_, v1::QUEUE_KIND_GATEWAY, kDomain, true)));
    }
  }
  std::vector<int> Counts() {
    std::vector<int> counts(3, 0);
    for (const auto& delivery : recorder_->leased())
      ++counts[ShardOf(delivery.token().delivery_id())];
    return counts;
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  TestShards shards_{3, clock_};
  const std::shared_ptr<LeaseRecorder> recorder_ = std::make_shared<LeaseRecorder>();
  std::shared_ptr<QueueLeases> leases_;
  uint64_t last_id_ = 0;
};

TEST_F(QueueLeasesTest, AllShardsAreEmptiedOneAfterTheOther) {
  for (size_t shard = 0; shard < 3; ++shard) Store(shard, 4);
  Open();
  leases_->AddCredit(6);
  EXPECT_EQ(Counts(), (std::vector<int>{4, 2, 0}));
  EXPECT_EQ(recorder_->drained(), 0);
  leases_->AddCredit(7);
  EXPECT_EQ(Counts(), (std::vector<int>{4, 4, 4}));
  EXPECT_EQ(recorder_->drained(), 1);
}

TEST_F(QueueLeasesTest, NothingHeldIsDrainedOnce) {
  Open();
  leases_->AddCredit(16);
  EXPECT_EQ(recorder_->drained(), 1);
  leases_->AddCredit(8);
  EXPECT_EQ(recorder_->drained(), 2);  // of the later credit
}

TEST_F(QueueLeasesTest, NoMoreThanTheLimitIsHandedOut) {
  for (size_t shard = 0; shard < 3; ++shard) Store(shard, 4);
  Open(/*deliveries_max=*/6);
  leases_->AddCredit(100);
  EXPECT_EQ(Counts(), (std::vector<int>{4, 2, 0}));
  EXPECT_EQ(recorder_->drained(), 1);
  Store(0, 3);
  leases_->AddCredit(100);
  EXPECT_EQ(recorder_->leased().size(), 6u);
  EXPECT_EQ(recorder_->drained(), 2);
}

TEST_F(QueueLeasesTest, WhatArrivesMeanwhileIsHandedOutToo) {
  Store(1, 3);
  Open();
  leases_->AddCredit(2);
  Store(0, 2);  // in a shard that was asked before
  leases_->AddCredit(10);
  EXPECT_EQ(Counts(), (std::vector<int>{2, 3, 0}));
  EXPECT_GE(recorder_->drained(), 1);
}

TEST_F(QueueLeasesTest, ShardThatIsAwayIsLeftOut) {
  for (size_t shard = 0; shard < 3; ++shard) Store(shard, 2);
  shards_.store(1).SetLeaseStatus(Away());
  Open();
  leases_->AddCredit(10);
  EXPECT_EQ(Counts(), (std::vector<int>{2, 0, 2}));
  EXPECT_TRUE(recorder_->lost().empty());
  EXPECT_EQ(recorder_->drained(), 0) << "it may come yet";
  Wait();
  EXPECT_EQ(recorder_->lost(), std::vector<uint32_t>{1});
  EXPECT_EQ(recorder_->drained(), 1);
  EXPECT_TRUE(recorder_->closed().empty());
}

TEST_F(QueueLeasesTest, ShardThatComesUpIsAskedAfterTheOthers) {
  for (size_t shard = 0; shard < 3; ++shard) Store(shard, 2);
  shards_.store(1).SetLeaseStatus(Away());
  Open();
  leases_->AddCredit(10);
  clock_.Advance(QueueLeases::kReachTimeMax - QueueLeases::kReachInterval);
  leases_->Tick(clock_.Now());
  EXPECT_EQ(recorder_->drained(), 0);
  shards_.store(1).SetLeaseStatus(absl::OkStatus());
  clock_.Advance(QueueLeases::kReachInterval);
  leases_->Tick(clock_.Now());
  EXPECT_EQ(Counts(), (std::vector<int>{2, 2, 2}));
  EXPECT_EQ(recorder_->drained(), 1);
  EXPECT_TRUE(recorder_->lost().empty());
}

TEST_F(QueueLeasesTest, CreditGivenWhileAShardIsAwaitedIsForItToo) {
  Store(1, 6);
  shards_.store(1).SetLeaseStatus(Away());
  Open();
  leases_->AddCredit(2);
  leases_->AddCredit(2);
  shards_.store(1).SetLeaseStatus(absl::OkStatus());
  clock_.Advance(QueueLeases::kReachInterval);
  leases_->Tick(clock_.Now());
  EXPECT_EQ(Counts(), (std::vector<int>{0, 4, 0}));
}

TEST_F(QueueLeasesTest, ShardThatIsLostIsLeftOutFromThenOn) {
  for (size_t shard = 0; shard < 3; ++shard) Store(shard, 4);
  Open();
  leases_->AddCredit(2);
  shards_.store(0).BreakStreams(Away());
  leases_->AddCredit(20);
  EXPECT_EQ(Counts(), (std::vector<int>{2, 4, 4}));
  EXPECT_EQ(recorder_->lost(), std::vector<uint32_t>{0});
  EXPECT_EQ(recorder_->drained(), 1);
}

TEST_F(QueueLeasesTest, ItIsOverWhenAllShardsAreAway) {
  for (size_t i = 0; i < 3; ++i) shards_.store(i).SetLeaseStatus(Away());
  Open();
  leases_->AddCredit(1);
  EXPECT_TRUE(recorder_->closed().empty());
  Wait();
  ASSERT_EQ(recorder_->closed().size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(recorder_->closed()[0]));
  EXPECT_EQ(recorder_->drained(), 0);
}

TEST_F(QueueLeasesTest, LeasesLastUntilTheEnd) {
  Store(0, 1);
  Store(2, 1);
  Open();
  leases_->AddCredit(10);
  EXPECT_EQ(shards_.store(0).deliveries()[0].state(), v1::DELIVERY_STATE_LEASED);
  End();
  EXPECT_EQ(shards_.store(0).deliveries()[0].state(), v1::DELIVERY_STATE_HELD);
  EXPECT_EQ(shards_.store(2).deliveries()[0].state(), v1::DELIVERY_STATE_HELD);
}

}  // namespace
}  // namespace turnpike::spool
