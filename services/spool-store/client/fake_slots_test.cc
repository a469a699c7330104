#include "services/spool-store/client/fake_slots.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace turnpike::spool {
namespace {

class FakeSlotsTest : public testing::Test {
 protected:
  std::unique_ptr<Slot> Take(int number, int32_t slots_max, int32_t per_minute_max = 0) {
    return slots_.Take({.key = "k", .slots_max = slots_max, .per_minute_max = per_minute_max},
                       [this, number] { granted_.push_back(number); });
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeSlots slots_{clock_};
  std::vector<int> granted_;
};

TEST_F(FakeSlotsTest, GrantsUpToTheLimitAndThenInOrder) {
  auto first = Take(1, 1);
  auto second = Take(2, 1);
  auto third = Take(3, 1);
  EXPECT_EQ(granted_, std::vector<int>{1});
  EXPECT_EQ(slots_.waiting("k"), 2);
  second = nullptr;  // given up
  first = nullptr;
  EXPECT_EQ(granted_, (std::vector<int>{1, 3}));
  EXPECT_EQ(slots_.held("k"), 1);
}

TEST_F(FakeSlotsTest, GrantsSoManyAMinute) {
  Take(1, 0, 1);
  auto second = Take(2, 0, 1);
  EXPECT_EQ(granted_, std::vector<int>{1});
  clock_.Advance(absl::Minutes(1));
  slots_.Poll();
  EXPECT_EQ(granted_, (std::vector<int>{1, 2}));
}

TEST_F(FakeSlotsTest, GrantsNothingWhileItIsAway) {
  slots_.SetAway(true);
  auto slot = Take(1, 1);
  EXPECT_TRUE(granted_.empty());
  slots_.SetAway(false);
  EXPECT_EQ(granted_, std::vector<int>{1});
}

TEST_F(FakeSlotsTest, CountsWhatOthersHold) {
  slots_.SetHeldElsewhere("k", 2);
  auto slot = Take(1, 2);
  EXPECT_TRUE(granted_.empty());
  slots_.SetHeldElsewhere("k", 1);
  EXPECT_EQ(granted_, std::vector<int>{1});
}

}  // namespace
}  // namespace turnpike::spool
