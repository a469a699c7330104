#include "services/spool-store/client/queue_sums.h"

#include <gtest/gtest.h>

namespace turnpike::spool {
namespace {

TEST(QueueSumsTest, CountsAreAddedAndTheOldestAndNextTimesCount) {
  v1::QueueStats one;
  one.mutable_queue()->set_name("customer.example");
  one.set_held(3);
  one.set_bytes(100);
  one.mutable_oldest_time()->set_seconds(500);
  one.mutable_next_attempt_time()->set_seconds(900);
  v1::QueueStats other;
  other.set_held(4);
  other.set_ready(1);
  other.set_deferred(2);
  other.set_leased(5);
  other.set_bytes(11);
  other.mutable_oldest_time()->set_seconds(400);
  other.mutable_next_attempt_time()->set_seconds(950);
  v1::QueueStats sum;
  AddStats(one, &sum);
  AddStats(other, &sum);
  EXPECT_EQ(sum.queue().name(), "customer.example");
  EXPECT_EQ(sum.held(), 7);
  EXPECT_EQ(sum.ready(), 1);
  EXPECT_EQ(sum.deferred(), 2);
  EXPECT_EQ(sum.leased(), 5);
  EXPECT_EQ(sum.bytes(), 111);
  EXPECT_EQ(sum.oldest_time().seconds(), 400);
  EXPECT_EQ(sum.next_attempt_time().seconds(), 900);
}

TEST(QueueSumsTest, LaterReleaseSaysTheRoute) {
  v1::QueueStats early;
  early.mutable_last_release_time()->set_seconds(10);
  early.mutable_route()->set_host("old.example");
  v1::QueueStats late;
  late.mutable_last_release_time()->set_seconds(20);
  late.mutable_route()->set_host("new.example");
  for (const bool late_first : {false, true}) {
    v1::QueueStats sum;
    AddStats(late_first ? late : early, &sum);
    AddStats(late_first ? early : late, &sum);
    EXPECT_EQ(sum.route().host(), "new.example");
    EXPECT_EQ(sum.last_release_time().seconds(), 20);
  }
}

TEST(QueueSumsTest, EmptyPartChangesNothing) {
  v1::QueueStats sum;
  AddStats(v1::QueueStats(), &sum);
  EXPECT_EQ(sum.ByteSizeLong(), 0u);
}

}  // namespace
}  // namespace turnpike::spool
