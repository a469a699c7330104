#include "services/spool-store/client/sharded_slots.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/fake_slots.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);

TEST(PlaceOfTest, KeysAreSpreadEvenly) {
  const std::vector<bool> all(4, true);
  std::array<int, 4> counts = {};
  for (int i = 0; i < 4000; ++i) ++counts[PlaceOf(absl::StrCat("destination/mx", i), all)];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(PlaceOfTest, OnlyTheKeysOfALostPlaceMove) {
  const std::vector<bool> all(4, true);
  const std::vector<bool> without = {true, false, true, true};
  for (int i = 0; i < 1000; ++i) {
    const std::string key = absl::StrCat("destination/mx", i);
    const size_t before = PlaceOf(key, all);
    const size_t after = PlaceOf(key, without);
    EXPECT_NE(after, 1u);
    if (before != 1) {
      EXPECT_EQ(before, after);
    }
  }
}

TEST(PlaceOfTest, WithoutAnyPlaceItIsTheFirst) { EXPECT_EQ(PlaceOf("x", {false, false}), 0u); }

class ShardedSlotsTest : public testing::Test {
 protected:
  ShardedSlotsTest() {
    std::vector<SlotsShard> shards;
    for (size_t i = 0; i < 2; ++i) {
      auto slots = std::make_unique<FakeSlots>(clock_);
      stores_.push_back(slots.get());
      shards.push_back({.slots = std::move(slots), .is_up = [this, i] { return up_[i].load(); }});
    }
    slots_ = CreateShardedSlots(std::move(shards), kPatience, clock_);
  }

  // A key of this shard.
  static std::string KeyOf(size_t shard) {
    for (int i = 0;; ++i) {
      std::string key = absl::StrCat("destination/", i);
      if (PlaceOf(key, {true, true}) == shard) return key;
    }
  }
  std::unique_ptr<Slot> Take(const std::string& key, std::atomic<bool>* granted) {
    return slots_->Take({.key = key, .slots_max = 1}, [granted] { *granted = true; });
  }
  static bool Comes(const std::function<bool()>& condition) {
    for (int i = 0; i < 500 && !condition(); ++i) absl::SleepFor(absl::Milliseconds(10));
    return condition();
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  std::array<std::atomic<bool>, 2> up_ = {true, true};
  std::vector<FakeSlots*> stores_;
  std::unique_ptr<Slots> slots_;
};

TEST_F(ShardedSlotsTest, LimitHoldsOverAllWhoAskForAKey) {
  std::atomic<bool> first = false;
  std::atomic<bool> second = false;
  auto one = Take(KeyOf(1), &first);
  auto two = Take(KeyOf(1), &second);
  EXPECT_TRUE(first);
  EXPECT_FALSE(second);
  EXPECT_EQ(stores_[1]->held(KeyOf(1)), 1);
  EXPECT_EQ(stores_[0]->held(KeyOf(1)), 0);
  one.reset();
  EXPECT_TRUE(second);
}

TEST_F(ShardedSlotsTest, WhoWaitsForAShardThatIsAwayIsServedByAnother) {
  stores_[1]->SetAway(true);
  up_[1] = false;
  std::atomic<bool> granted = false;
  auto slot = Take(KeyOf(1), &granted);
  EXPECT_FALSE(granted);
  clock_.Advance(kPatience + absl::Seconds(1));
  EXPECT_TRUE(Comes([&] { return granted.load(); }));
  EXPECT_EQ(stores_[0]->held(KeyOf(1)), 1);
  EXPECT_EQ(stores_[1]->waiting(KeyOf(1)), 0);
}

TEST_F(ShardedSlotsTest, SlotThatIsHeldOutlivesItsShard) {
  std::atomic<bool> granted = false;
  auto slot = Take(KeyOf(1), &granted);
  EXPECT_TRUE(granted);
  up_[1] = false;
  clock_.Advance(kPatience + absl::Seconds(1));
  std::atomic<bool> next = false;
  EXPECT_TRUE(Comes([&] {
    next = false;
    auto other = Take(KeyOf(1), &next);
    return next.load();
  }));
  EXPECT_EQ(stores_[1]->held(KeyOf(1)), 1);
  slot.reset();
  EXPECT_EQ(stores_[1]->held(KeyOf(1)), 0);
}

TEST_F(ShardedSlotsTest, SlotMayOutliveTheSlots) {
  std::atomic<bool> granted = false;
  auto slot = Take(KeyOf(0), &granted);
  slots_ = nullptr;
  slot.reset();
}

}  // namespace
}  // namespace turnpike::spool
