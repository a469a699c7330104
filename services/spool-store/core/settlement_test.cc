#include "services/spool-store/core/settlement.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/spool-store/core/record_util.h"

namespace turnpike::spool {
namespace {

constexpr uint64_t kId = 42;
const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

enum class Rest { kUnset, kDefer, kHold, kPark };

struct Case {
  std::string promise;
  Section before;
  std::vector<v1::Disposition> outcomes;  // of recipients 0, 1; fewer: not named
  Rest rest;
  bool is_done;
  Section after;
  int left;
  int attempts;
  bool is_unknown;
};

records::DeliveryRecord Record(Section section) {
  records::DeliveryRecord record;
  record.add_recipients()->set_address("a@example.org");
  record.add_recipients()->set_address("b@example.org");
  record.add_recipient_indexes(0);
  record.add_recipient_indexes(1);
  Position position{.section = section, .delivery_id = kId};
  if (section == Section::kDeferred) position.due_second = 1'600'000'000;
  SetPosition(position, record);
  return record;
}

v1::Settlement Settlement(const Case& test) {
  v1::Settlement settlement;
  settlement.mutable_token()->set_fence(9);
  for (size_t i = 0; i < test.outcomes.size(); ++i) {
    v1::RecipientOutcome& outcome = *settlement.add_outcomes();
    outcome.set_index(static_cast<int32_t>(i));
    outcome.set_disposition(test.outcomes[i]);
  }
  if (test.rest == Rest::kDefer) {
    *settlement.mutable_defer_until() = ToTimestamp(kNow + absl::Milliseconds(60'500));
  } else if (test.rest == Rest::kHold) {
    settlement.set_hold(true);
  } else if (test.rest == Rest::kPark) {
    settlement.set_park(true);
  }
  return settlement;
}

constexpr v1::Disposition kDelivered = v1::DISPOSITION_DELIVERED;
constexpr v1::Disposition kReturned = v1::DISPOSITION_RETURNED;
constexpr v1::Disposition kDelayed = v1::DISPOSITION_DELAYED;
constexpr v1::Disposition kUnknown = v1::DISPOSITION_UNKNOWN;

TEST(SettlementTest, OutcomesAndTheRestDecideTheState) {
  const std::vector<Case> cases = {
      {"all delivered",
       Section::kReady,
       {kDelivered, kDelivered},
       Rest::kUnset,
       true,
       Section::kReady,
       0,
       0,
       false},
      {"delivered and returned",
       Section::kHeld,
       {kDelivered, kReturned},
       Rest::kUnset,
       true,
       Section::kHeld,
       0,
       0,
       false},
      {"one is left, deferred",
       Section::kReady,
       {kDelivered, kDelayed},
       Rest::kDefer,
       false,
       Section::kDeferred,
       1,
       1,
       false},
      {"one is not named, deferred",
       Section::kReady,
       {kDelivered},
       Rest::kDefer,
       false,
       Section::kDeferred,
       1,
       1,
       false},
      {"nothing was said, deferred",
       Section::kReady,
       {},
       Rest::kDefer,
       false,
       Section::kDeferred,
       2,
       1,
       false},
      {"held stays held, no attempt",
       Section::kHeld,
       {kDelivered, kDelayed},
       Rest::kHold,
       false,
       Section::kHeld,
       1,
       0,
       false},
      {"deferred stays deferred",
       Section::kDeferred,
       {kDelayed, kDelayed},
       Rest::kHold,
       false,
       Section::kDeferred,
       2,
       0,
       false},
      {"lost answer is marked",
       Section::kHeld,
       {kUnknown, kUnknown},
       Rest::kHold,
       false,
       Section::kHeld,
       2,
       0,
       true},
      {"unset is hold",
       Section::kHeld,
       {kDelayed, kDelayed},
       Rest::kUnset,
       false,
       Section::kHeld,
       2,
       0,
       false},
      {"parked",
       Section::kReady,
       {kDelayed, kDelayed},
       Rest::kPark,
       false,
       Section::kParked,
       2,
       1,
       false},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.promise);
    const auto effect = ApplySettlement(kId, Record(test.before), Settlement(test), 5, kNow);
    ASSERT_TRUE(effect.ok());
    EXPECT_EQ(effect->is_done, test.is_done);
    if (test.is_done) continue;
    EXPECT_EQ(effect->position.section, test.after);
    EXPECT_EQ(PositionOf(kId, effect->record), effect->position);
    EXPECT_EQ(effect->record.recipients_size(), test.left);
    EXPECT_EQ(effect->record.recipient_indexes_size(), test.left);
    EXPECT_EQ(effect->record.attempts(), test.attempts);
    EXPECT_EQ(effect->record.outcome_unknown(), test.is_unknown);
    EXPECT_EQ(effect->record.settled_fence(), 9u);
    if (test.rest == Rest::kDefer) {
      EXPECT_EQ(effect->position.due_second, absl::ToUnixSeconds(kNow) + 61);  // rounded up
      EXPECT_EQ(effect->position.release_epoch, 5u);
    }
  }
}

TEST(SettlementTest, RecipientsKeepTheirNumbers) {
  Case test{.outcomes = {kDelivered, kDelayed}, .rest = Rest::kDefer};
  const auto first = ApplySettlement(kId, Record(Section::kReady), Settlement(test), 0, kNow);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->record.recipient_indexes(0), 1);
  EXPECT_EQ(first->record.last_outcomes(0).index(), 1);
  // The same again says nothing new about recipient 0.
  const auto second = ApplySettlement(kId, first->record, Settlement(test), 0, kNow);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->delivered, 0);
  EXPECT_EQ(second->record.recipients_size(), 1);
}

TEST(SettlementTest, TimeInThePastIsNow) {
  v1::Settlement settlement;
  settlement.mutable_defer_until()->set_seconds(1);
  const auto effect = ApplySettlement(kId, Record(Section::kReady), settlement, 0, kNow);
  ASSERT_TRUE(effect.ok());
  EXPECT_EQ(effect->position.due_second, absl::ToUnixSeconds(kNow));
}

TEST(SettlementTest, OutcomeWithoutDispositionIsRefused) {
  v1::Settlement settlement;
  settlement.add_outcomes()->set_index(0);
  EXPECT_EQ(ApplySettlement(kId, Record(Section::kReady), settlement, 0, kNow).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace turnpike::spool
