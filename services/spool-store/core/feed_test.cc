#include "services/spool-store/core/feed.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace turnpike::spool {
namespace {

Position Ready(uint64_t id) { return {.section = Section::kReady, .delivery_id = id}; }
Position Due(int64_t second, uint64_t id) {
  return {.section = Section::kDeferred, .due_second = second, .delivery_id = id};
}
bool AnyIsFree(const Position&) { return true; }

// A section on disk and its feed.
class FeedTest : public testing::Test {
 protected:
  void Add(const Position& position) {
    disk_.insert(position);
    feed_.Offer(position, {});
  }
  std::vector<Feed::Entry> Scan(std::optional<Position> after, size_t count_max) {
    std::vector<Feed::Entry> scanned;
    for (auto at = after ? disk_.upper_bound(*after) : disk_.begin(); at != disk_.end(); ++at) {
      if (scanned.size() == count_max) break;
      scanned.push_back({*at, {}});
    }
    return scanned;
  }
  void Refill() {
    const auto after = feed_.BeginRefill();
    const auto scanned = Scan(after, Feed::kWindowMax);
    feed_.EndRefill(scanned, scanned.size() < Feed::kWindowMax, AnyIsFree);
  }
  // Takes the head, as work that is done.
  std::optional<Position> Take() {
    if (feed_.head() == nullptr && feed_.has_more()) Refill();
    if (feed_.head() == nullptr) return std::nullopt;
    const Position position = feed_.head()->first;
    feed_.Erase(position);
    disk_.erase(position);
    return position;
  }

  std::set<Position> disk_;
  Feed feed_;
};

TEST_F(FeedTest, HandsOutInOrderWithoutReadingWhileTheWindowHolds) {
  for (uint64_t id = 1; id <= 3; ++id) Add(Ready(id));
  EXPECT_FALSE(feed_.has_more());
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(Take(), Ready(id));
  EXPECT_EQ(Take(), std::nullopt);
}

TEST_F(FeedTest, NothingIsMissedWhenTheWindowOverflows) {
  const uint64_t count = 3 * Feed::kWindowMax + 5;
  for (uint64_t id = 1; id <= count; ++id) Add(Ready(id));
  EXPECT_TRUE(feed_.has_more());
  for (uint64_t id = 1; id <= count; ++id) ASSERT_EQ(Take(), Ready(id));
  EXPECT_EQ(Take(), std::nullopt);
}

TEST_F(FeedTest, ReturnedEntryIsHandedOutAgain) {
  for (uint64_t id = 1; id <= 600; ++id) Add(Ready(id));
  const Position first = *Take();
  const Position second = *Take();
  Add(first);
  EXPECT_EQ(Take(), first);
  EXPECT_NE(Take(), second);
}

TEST_F(FeedTest, EarlierOnesThatComeLaterAreHandedOutFirst) {
  for (uint64_t id = 1; id <= 400; ++id) Add(Due(1000, id));
  for (uint64_t id = 401; id <= 2000; ++id) Add(Due(10, id));  // more than a window, all before
  for (uint64_t id = 401; id <= 2000; ++id) ASSERT_EQ(Take(), Due(10, id));
  for (uint64_t id = 1; id <= 400; ++id) ASSERT_EQ(Take(), Due(1000, id));
  EXPECT_EQ(Take(), std::nullopt);
}

TEST_F(FeedTest, WhatIsAddedDuringAScanIsNotMissed) {
  for (uint64_t id = 1; id <= 2 * Feed::kWindowMax; ++id) Add(Due(100, id));
  for (uint64_t id = 1; id <= Feed::kWindowMax; ++id) ASSERT_EQ(Take(), Due(100, id));
  const auto after = feed_.BeginRefill();
  const auto scanned = Scan(after, Feed::kWindowMax);
  Add(Due(101, 9000));                      // beyond all that was scanned
  Add(Due(100, Feed::kWindowMax * 2 + 1));  // the same
  feed_.EndRefill(scanned, false, AnyIsFree);
  for (uint64_t id = Feed::kWindowMax + 1; id <= 2 * Feed::kWindowMax + 1; ++id) {
    ASSERT_EQ(Take(), Due(100, id));
  }
  EXPECT_EQ(Take(), Due(101, 9000));
}

TEST_F(FeedTest, WhatIsAddedAmidstAScanIsNotMissed) {
  for (uint64_t id = 1; id <= 2 * Feed::kWindowMax; ++id) Add(Due(100, 2 * id));
  for (uint64_t id = 1; id <= Feed::kWindowMax; ++id) ASSERT_EQ(Take(), Due(100, 2 * id));
  const auto after = feed_.BeginRefill();
  const auto scanned = Scan(after, Feed::kWindowMax);
  const uint64_t odd = 2 * (Feed::kWindowMax + 7) + 1;
  Add(Due(100, odd));
  feed_.EndRefill(scanned, true, AnyIsFree);
  std::set<uint64_t> taken;
  while (auto position = Take()) taken.insert(position->delivery_id);
  EXPECT_TRUE(taken.contains(odd));
  EXPECT_EQ(taken.size(), Feed::kWindowMax + 1);
}

TEST_F(FeedTest, LeasedEntriesOfAScanAreNotHandedOut) {
  for (uint64_t id = 1; id <= 2 * Feed::kWindowMax; ++id) Add(Ready(id));
  for (uint64_t id = 1; id <= Feed::kWindowMax; ++id) Take();
  const auto after = feed_.BeginRefill();
  feed_.EndRefill(Scan(after, Feed::kWindowMax), true,
                  [](const Position& position) { return position.delivery_id % 2 == 0; });
  for (uint64_t id = Feed::kWindowMax + 2; id <= 2 * Feed::kWindowMax; id += 2) {
    ASSERT_EQ(feed_.head()->first, Ready(id));
    feed_.Erase(Ready(id));
  }
  EXPECT_EQ(feed_.head(), nullptr);
}

}  // namespace
}  // namespace turnpike::spool
