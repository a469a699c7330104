#include "services/spool-store/core/slot_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::spool {
namespace {

class SlotTableTest : public testing::Test {
 protected:
  // The ids of what is granted by it.
  std::vector<uint64_t> Take(SlotTable::StreamId stream, uint64_t id, int32_t slots_max,
                             int32_t per_minute_max = 0, const std::string& key = "k") {
    std::vector<SlotTable::Grant> grants;
    EXPECT_TRUE(
        table_.Take(stream, Request(id, slots_max, per_minute_max, key), now_, grants).ok());
    return Ids(grants);
  }
  std::vector<uint64_t> Release(SlotTable::StreamId stream, uint64_t id) {
    std::vector<SlotTable::Grant> grants;
    table_.Release(stream, id, now_, grants);
    return Ids(grants);
  }
  std::vector<uint64_t> End(SlotTable::StreamId stream) {
    std::vector<SlotTable::Grant> grants;
    table_.EndStream(stream, now_, grants);
    return Ids(grants);
  }
  std::vector<uint64_t> Advance(absl::Duration by) {
    now_ += by;
    std::vector<SlotTable::Grant> grants;
    table_.Advance(now_, grants);
    return Ids(grants);
  }
  absl::Status Refusal(const v1::SlotRequest& request) {
    std::vector<SlotTable::Grant> grants;
    const absl::Status status = table_.Take(a_, request, now_, grants);
    EXPECT_TRUE(grants.empty());
    return status;
  }
  static v1::SlotRequest Request(uint64_t id, int32_t slots_max, int32_t per_minute_max = 0,
                                 const std::string& key = "k") {
    v1::SlotRequest request;
    request.set_slot_id(id);
    request.set_key(key);
    request.set_slots_max(slots_max);
    request.set_per_minute_max(per_minute_max);
    return request;
  }
  static std::vector<uint64_t> Ids(const std::vector<SlotTable::Grant>& grants) {
    std::vector<uint64_t> ids;
    for (const SlotTable::Grant& grant : grants) ids.push_back(grant.slot_id);
    return ids;
  }

  using Granted = std::vector<uint64_t>;
  SlotTable table_;
  const SlotTable::StreamId a_ = table_.AddStream();
  const SlotTable::StreamId b_ = table_.AddStream();
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(SlotTableTest, NoMoreAreHeldThanTheLimitOverAllStreams) {
  EXPECT_EQ(Take(a_, 1, 2), Granted{1});
  EXPECT_EQ(Take(b_, 2, 2), Granted{2});
  EXPECT_EQ(Take(a_, 3, 2), Granted{});
  EXPECT_EQ(Take(a_, 4, 2, 0, "other"), Granted{4});
  EXPECT_EQ(table_.held(), 3);
  EXPECT_EQ(table_.waiting(), 1);
  EXPECT_EQ(Release(b_, 2), Granted{3});
}

TEST_F(SlotTableTest, NobodyPassesTheFirstInLine) {
  EXPECT_EQ(Take(a_, 1, 1), Granted{1});
  EXPECT_EQ(Take(a_, 2, 1), Granted{});
  EXPECT_EQ(Take(b_, 3, 5), Granted{});  // its own limit would let it
  EXPECT_EQ(Release(a_, 1), (Granted{2, 3}));
}

TEST_F(SlotTableTest, WhoGivesUpMakesWay) {
  EXPECT_EQ(Take(a_, 1, 1), Granted{1});
  EXPECT_EQ(Take(a_, 2, 1), Granted{});
  EXPECT_EQ(Take(b_, 3, 5), Granted{});
  EXPECT_EQ(Release(a_, 2), Granted{3});
  EXPECT_EQ(Release(a_, 2), Granted{});
}

TEST_F(SlotTableTest, SlotsEndWithTheirStream) {
  EXPECT_EQ(Take(a_, 1, 1), Granted{1});
  EXPECT_EQ(Take(a_, 2, 1), Granted{});
  EXPECT_EQ(Take(b_, 3, 1), Granted{});
  EXPECT_EQ(End(a_), Granted{3});
  EXPECT_EQ(End(b_), Granted{});
  EXPECT_EQ(table_.held(), 0);
  EXPECT_EQ(table_.waiting(), 0);
  EXPECT_EQ(table_.key_count(), 0u);
}

TEST_F(SlotTableTest, SoManyAreGrantedInAnyMinute) {
  EXPECT_EQ(Take(a_, 1, 0, 2), Granted{1});
  EXPECT_EQ(Advance(absl::Seconds(30)), Granted{});
  EXPECT_EQ(Take(a_, 2, 0, 2), Granted{2});
  EXPECT_EQ(Take(a_, 3, 0, 2), Granted{});
  EXPECT_EQ(Take(b_, 4, 0, 2), Granted{});
  EXPECT_EQ(Release(a_, 1), Granted{});  // that it is over does not make it undone
  EXPECT_EQ(table_.next_time(), now_ + absl::Seconds(30));
  EXPECT_EQ(Advance(absl::Seconds(29)), Granted{});
  EXPECT_EQ(Advance(absl::Seconds(1)), Granted{3});
  EXPECT_EQ(Advance(absl::Seconds(30)), Granted{4});
}

TEST_F(SlotTableTest, BothLimitsHold) {
  EXPECT_EQ(Take(a_, 1, 1, 1), Granted{1});
  EXPECT_EQ(Take(a_, 2, 1, 1), Granted{});
  EXPECT_EQ(Advance(absl::Minutes(2)), Granted{});
  EXPECT_EQ(Release(a_, 1), Granted{2});
}

TEST_F(SlotTableTest, KeyIsForgottenAMinuteAfterItsLastGrant) {
  EXPECT_EQ(Take(a_, 1, 0, 5), Granted{1});
  EXPECT_EQ(Release(a_, 1), Granted{});
  EXPECT_EQ(table_.key_count(), 1u);
  Advance(absl::Minutes(1));
  EXPECT_EQ(table_.key_count(), 0u);
  EXPECT_FALSE(table_.next_time().has_value());
}

TEST_F(SlotTableTest, BadRequestsAreRefused) {
  EXPECT_EQ(Refusal(Request(1, 1, 0, "")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refusal(Request(1, 1, 0, std::string(SlotTable::kKeyBytesMax + 1, 'k'))).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refusal(Request(1, -1)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refusal(Request(1, 1, -1)).code(), absl::StatusCode::kInvalidArgument);
  Take(a_, 1, 1);
  EXPECT_EQ(Refusal(Request(1, 1)).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SlotTableTest, OneStreamHasNoMoreThanTheLimit) {
  for (uint64_t id = 0; id < SlotTable::kSlotsPerStreamMax; ++id) Take(a_, id, 1);
  EXPECT_EQ(Refusal(Request(SlotTable::kSlotsPerStreamMax, 0)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Take(b_, 1, 1), Granted{});
  EXPECT_EQ(End(a_), Granted{1});
}

}  // namespace
}  // namespace turnpike::spool
