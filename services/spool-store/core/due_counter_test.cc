#include "services/spool-store/core/due_counter.h"

#include <gtest/gtest.h>

namespace turnpike::spool {
namespace {

TEST(DueCounterTest, TimeMakesDeliveriesDue) {
  DueCounter counter;
  counter.Add(false, 10);
  counter.Add(false, 10);
  counter.Add(false, 20);
  EXPECT_EQ(counter.waiting(), 3);
  EXPECT_EQ(counter.next_second(), 10);
  counter.Advance(9);
  EXPECT_EQ(counter.due(), 0);
  counter.Advance(10);
  EXPECT_EQ(counter.due(), 2);
  EXPECT_EQ(counter.waiting(), 1);
  EXPECT_EQ(counter.next_second(), 20);
}

TEST(DueCounterTest, RemovalFindsWhereADeliveryIsCounted) {
  DueCounter counter;
  counter.Add(false, 10);
  counter.Add(false, 20);
  counter.Advance(15);
  counter.Remove(false, 10);
  counter.Remove(false, 20);
  EXPECT_EQ(counter.due(), 0);
  EXPECT_EQ(counter.waiting(), 0);
  EXPECT_EQ(counter.next_second(), std::nullopt);
}

TEST(DueCounterTest, ReleaseMakesAllDueAndLeavesLaterOnesWaiting) {
  DueCounter counter;
  counter.Add(false, 100);
  counter.Release();
  counter.Add(false, 100);
  EXPECT_EQ(counter.due(), 1);
  EXPECT_EQ(counter.waiting(), 1);
  counter.Remove(true, 100);
  EXPECT_EQ(counter.due(), 0);
  EXPECT_EQ(counter.waiting(), 1);
}

}  // namespace
}  // namespace turnpike::spool
