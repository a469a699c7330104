#include "services/spool-store/core/schedule.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace turnpike::spool {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
constexpr int64_t kNowSecond = 1'700'000'000;
constexpr int64_t kNoLimit = 1'000'000;

std::string Key(const std::string& name) {
  v1::QueueName queue;
  queue.set_name(name);
  queue.set_kind(v1::QUEUE_KIND_REMOTE);
  return QueueKey(queue);
}

class ScheduleTest : public testing::Test {
 protected:
  void Add(const std::string& name, Section section, uint64_t id, int64_t due_second = 0) {
    Position position{.section = section, .due_second = due_second, .delivery_id = id};
    schedule_.Add(schedule_.GetOrMake(Key(name)), position,
                  {.content_bytes = 10, .received_second = kNowSecond});
  }
  std::vector<uint64_t> Pick(int count, int64_t per_queue = kNoLimit) {
    std::vector<uint64_t> ids;
    const Schedule::PickOptions options = {
        .count = count, .queue_count_max = per_queue, .bytes_max = kNoLimit, .paused = &paused_};
    for (Lease* lease : schedule_.PickDue(holder_, options, kNow).leases) {
      ids.push_back(lease->delivery_id);
    }
    return ids;
  }
  void Release(const std::string& name, uint64_t up_to) {
    Queue& queue = schedule_.GetOrMake(Key(name));
    records::QueueRecord record = queue.record();
    record.set_released_up_to(up_to);
    record.set_release_epoch(record.release_epoch() + 1);
    schedule_.Release(queue, record);
  }
  Queue& queue(const std::string& name) { return schedule_.GetOrMake(Key(name)); }

  Schedule schedule_{1};
  Schedule::QueueKeys paused_;
  HolderId holder_ = schedule_.leases().AddHolder(absl::Minutes(5));
};

TEST_F(ScheduleTest, OneLargeQueueDoesNotStarveTheOthers) {
  for (uint64_t id = 1; id <= 100; ++id) Add("large", Section::kReady, id);
  Add("small", Section::kReady, 101);
  Add("tiny", Section::kReady, 102);
  const std::vector<uint64_t> first = Pick(20);
  EXPECT_NE(std::find(first.begin(), first.end(), 101u), first.end());
  EXPECT_NE(std::find(first.begin(), first.end(), 102u), first.end());
}

TEST_F(ScheduleTest, QueueGivesNoMoreThanItsLimit) {
  for (uint64_t id = 1; id <= 10; ++id) Add("a", Section::kReady, id);
  Add("b", Section::kReady, 11);
  EXPECT_EQ(Pick(10, 3).size(), 4u);
  EXPECT_TRUE(Pick(10, 3).empty());
  schedule_.Remove(schedule_.leases().Find(1));
  EXPECT_EQ(Pick(10, 3).size(), 1u);
}

TEST_F(ScheduleTest, PausedQueueIsLeftOutAndDoesNotStopTheOthers) {
  Add("a", Section::kReady, 1);
  Add("b", Section::kReady, 2);
  paused_.insert(Key("a"));
  EXPECT_EQ(Pick(10), std::vector<uint64_t>{2});
  EXPECT_TRUE(Pick(10).empty());
  EXPECT_TRUE(schedule_.has_due_work());
  paused_.clear();
  EXPECT_EQ(Pick(10), std::vector<uint64_t>{1});
}

TEST_F(ScheduleTest, HeldIsHandedOutAfterItsReleaseOnly) {
  for (uint64_t id = 1; id <= 3; ++id) Add("g", Section::kHeld, id);
  EXPECT_TRUE(Pick(10).empty());
  Release("g", 3);
  EXPECT_EQ(queue("g").ready(), 3);
  Add("g", Section::kHeld, 4);
  EXPECT_EQ(queue("g").held(), 1);
  EXPECT_EQ(Pick(10), (std::vector<uint64_t>{1, 2, 3}));
}

TEST_F(ScheduleTest, DeferredIsHandedOutWhenItIsDue) {
  Add("a", Section::kDeferred, 1, kNowSecond + 10);
  Add("a", Section::kDeferred, 2, kNowSecond + 5);
  schedule_.Tick(kNow);
  EXPECT_TRUE(Pick(10).empty());
  EXPECT_EQ(queue("a").deferred(), 2);
  schedule_.Tick(kNow + absl::Seconds(5));
  EXPECT_EQ(queue("a").ready(), 1);
  EXPECT_EQ(Pick(10), std::vector<uint64_t>{2});
  schedule_.Tick(kNow + absl::Seconds(10));
  EXPECT_EQ(Pick(10), std::vector<uint64_t>{1});
}

TEST_F(ScheduleTest, ReleaseMakesDeferredOnesDueAtOnce) {
  Add("g", Section::kDeferred, 1, kNowSecond + 3600);
  Release("g", 1);
  EXPECT_EQ(Pick(10), std::vector<uint64_t>{1});
}

TEST_F(ScheduleTest, WhatIsHeldAgainAfterAReleaseWaitsForTheNextOne) {
  Release("g", 5);
  Queue& gateway = queue("g");
  const Position again = gateway.HeldPosition(3);
  schedule_.Add(gateway, again, {});
  EXPECT_EQ(gateway.held(), 1);
  EXPECT_EQ(gateway.deferred(), 0);
  EXPECT_EQ(gateway.next_due_second(), std::nullopt);
  EXPECT_TRUE(Pick(1).empty());
  EXPECT_EQ(gateway.HeldPosition(6).section, Section::kHeld);
  Release("g", 5);
  EXPECT_EQ(Pick(1), std::vector<uint64_t>{3});
}

TEST_F(ScheduleTest, ReleaseReachesWhatIsLeasedJustNow) {
  Add("g", Section::kHeld, 1);
  Queue& gateway = queue("g");
  Lease* lease =
      schedule_.LeaseAt(gateway, {.section = Section::kHeld, .delivery_id = 1}, {}, holder_, kNow);
  ASSERT_NE(lease, nullptr);
  Release("g", 1);
  EXPECT_EQ(gateway.ready(), 0);
  schedule_.Return(lease);
  EXPECT_EQ(gateway.ready(), 1);
  EXPECT_EQ(gateway.held(), 0);
}

TEST_F(ScheduleTest, EndOfAHolderFreesItsLeasesButThoseBeingSettled) {
  Add("a", Section::kReady, 1);
  Add("a", Section::kReady, 2);
  ASSERT_EQ(Pick(2).size(), 2u);
  schedule_.leases().Find(2)->is_settling = true;
  schedule_.EndHolder(holder_);
  EXPECT_EQ(schedule_.leases().count(), 1);
  EXPECT_EQ(queue("a").ready(), 1);
  EXPECT_EQ(queue("a").leased(), 1);
}

TEST_F(ScheduleTest, ExpiredLeaseIsHandedOutAgainWithALargerFence) {
  Add("a", Section::kReady, 1);
  Pick(1);
  const uint64_t fence = schedule_.leases().Find(1)->fence;
  int told = 0;
  schedule_.EndExpired(kNow + absl::Minutes(5), [&](const Lease&) { ++told; });
  EXPECT_EQ(told, 1);
  ASSERT_EQ(Pick(1).size(), 1u);
  EXPECT_GT(schedule_.leases().Find(1)->fence, fence);
}

TEST_F(ScheduleTest, EmptyQueueIsForgottenUnlessItWasReleased) {
  Add("a", Section::kReady, 1);
  Pick(1);
  Pick(1);  // takes the queue out of the ring
  schedule_.Remove(schedule_.leases().Find(1));
  EXPECT_EQ(schedule_.Find(Key("a")), nullptr);
  Release("g", 0);
  EXPECT_NE(schedule_.Find(Key("g")), nullptr);
}

TEST_F(ScheduleTest, UndoneLeaseLeavesTheFiguresAlone) {
  Add("a", Section::kReady, 1);
  Pick(1);
  EXPECT_EQ(queue("a").ready(), 0);
  schedule_.Undo(schedule_.leases().Find(1));
  EXPECT_EQ(queue("a").ready(), 1);
  EXPECT_EQ(queue("a").leased(), 0);
}

TEST_F(ScheduleTest, FiguresFollowEachStep) {
  Add("a", Section::kReady, 1);
  Add("a", Section::kHeld, 2);
  Add("a", Section::kParked, 3);
  Queue& a = queue("a");
  EXPECT_EQ(a.bytes(), 30);
  EXPECT_EQ(a.oldest_second(), kNowSecond / 60 * 60);
  EXPECT_EQ(a.parked(), 1);
  Pick(1);
  EXPECT_EQ(a.leased(), 1);
  EXPECT_EQ(a.bytes(), 30);
  schedule_.Remove(schedule_.leases().Find(1));
  EXPECT_EQ(a.bytes(), 20);
}

}  // namespace
}  // namespace turnpike::spool
