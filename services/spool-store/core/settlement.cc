#include "services/spool-store/core/settlement.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "services/spool-store/core/record_util.h"

namespace turnpike::spool {
namespace {

int64_t DueSecond(const google::protobuf::Timestamp& time, absl::Time now) {
  const absl::Time due = std::max(FromTimestamp(time), now);
  return absl::ToUnixSeconds(due + absl::Seconds(1) - absl::Nanoseconds(1));
}

// Moves what `outcomes` say into the record: recipients that are done leave it.
void ApplyOutcomes(const absl::flat_hash_map<int32_t, const v1::RecipientOutcome*>& outcomes,
                   const records::DeliveryRecord& before, SettleEffect& effect) {
  absl::flat_hash_map<int32_t, const v1::RecipientOutcome*> last;
  for (const v1::RecipientOutcome& outcome : before.last_outcomes()) {
    last[outcome.index()] = &outcome;
  }
  records::DeliveryRecord& record = effect.record;
  record.clear_recipients();
  record.clear_recipient_indexes();
  record.clear_last_outcomes();
  bool is_tried = false;
  bool is_unknown = false;
  for (int i = 0; i < before.recipients_size(); ++i) {
    const int32_t index = before.recipient_indexes(i);
    auto outcome = outcomes.find(index);
    if (outcome != outcomes.end()) {
      is_tried = true;
      const v1::Disposition disposition = outcome->second->disposition();
      if (disposition == v1::DISPOSITION_DELIVERED) {
        ++effect.delivered;
        continue;
      }
      if (disposition == v1::DISPOSITION_RETURNED) {
        ++effect.returned;
        continue;
      }
      is_unknown = is_unknown || disposition == v1::DISPOSITION_UNKNOWN;
      last[index] = outcome->second;
    }
    *record.add_recipients() = before.recipients(i);
    record.add_recipient_indexes(index);
    if (auto kept = last.find(index); kept != last.end())
      *record.add_last_outcomes() = *kept->second;
  }
  if (is_tried) record.set_outcome_unknown(is_unknown);
  effect.is_done = record.recipients().empty();
}

}  // namespace

absl::StatusOr<SettleEffect> ApplySettlement(uint64_t delivery_id,
                                             const records::DeliveryRecord& record,
                                             const v1::Settlement& settlement,
                                             uint32_t release_epoch, absl::Time now) {
  absl::flat_hash_map<int32_t, const v1::RecipientOutcome*> outcomes;
  for (const v1::RecipientOutcome& outcome : settlement.outcomes()) {
    if (outcome.disposition() == v1::DISPOSITION_UNSPECIFIED) {
      return absl::InvalidArgumentError("outcome without a disposition");
    }
    outcomes[outcome.index()] = &outcome;
  }
  SettleEffect effect;
  effect.record = record;
  ApplyOutcomes(outcomes, record, effect);
  effect.position = PositionOf(delivery_id, record);
  if (effect.is_done) return effect;

  const int64_t now_ms = absl::ToUnixMillis(now);
  if (settlement.has_defer_until()) {
    effect.position = {.section = Section::kDeferred,
                       .release_epoch = release_epoch,
                       .due_second = DueSecond(settlement.defer_until(), now),
                       .delivery_id = delivery_id};
  } else if (settlement.park()) {
    effect.position = {.section = Section::kParked, .delivery_id = delivery_id};
  }
  records::DeliveryRecord& after = effect.record;
  if (settlement.has_defer_until() || settlement.park()) {
    after.set_attempts(record.attempts() + 1);
    if (record.first_attempt_ms() == 0) after.set_first_attempt_ms(now_ms);
    after.set_last_attempt_ms(now_ms);
  } else if (!settlement.outcomes().empty()) {
    after.set_last_attempt_ms(now_ms);
  }
  after.set_delay_warned(record.delay_warned() || settlement.delay_warned());
  after.set_settled_fence(settlement.token().fence());
  SetPosition(effect.position, after);
  return effect;
}

}  // namespace turnpike::spool
