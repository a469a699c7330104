#include "services/spool-store/storage/queue_walk.h"

#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "services/common/observe/log.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/storage/index_scan.h"

namespace turnpike::spool {

namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
// Deliveries are in the order in which they were stored, about that in which they were received: a
// large message takes its time between the two, and clocks of frontends differ. What another shard
// has moved here is not: see CountOld.
constexpr absl::Duration kDisorderMax = absl::Hours(1);

}  // namespace

QueueWalk::QueueWalk(Engine& engine, const v1::QueueScope& scope)
    : engine_(engine),
      queue_key_(QueueKey(scope.queue())),
      received_before_ms_(scope.has_received_before()
                              ? absl::ToUnixMillis(FromTimestamp(scope.received_before()))
                              : kNoLimit) {
  for (const std::string& domain : scope.recipient_domains()) {
    domains_.insert(absl::AsciiStrToLower(domain));
  }
}

// By what the index has; Admits looks at the rest.
bool QueueWalk::IsWanted(Section section, const Feed::Entry& entry) {
  const auto& [position, facts] = entry;
  if (section == Section::kDeferred && !deferred_seen_.insert(position.delivery_id).second) {
    return false;
  }
  if (received_before_ms_ == kNoLimit) return true;
  if (IsOld(facts.received_second / 60)) --*old_left_;
  const int64_t late_ms = facts.received_second * 1000 - received_before_ms_;
  if (section == Section::kHeld && late_ms > absl::ToInt64Milliseconds(kDisorderMax) &&
      *old_left_ <= 0) {
    held_done_ = true;
  }
  return late_ms < 0;
}

// Parked ones are not met. They count as old, so that one that stays does not make each walk go
// through all that is held.
void QueueWalk::CountOld() {
  absl::MutexLock lock(&engine_.mu);
  int64_t count = 0;
  if (const Queue* queue = engine_.schedule.Find(queue_key_); queue != nullptr) {
    for (const auto& [minute, arrivals] : queue->arrivals()) {
      if (!IsOld(minute)) break;
      count += arrivals;
    }
    count -= queue->parked();
  }
  old_left_ = count;
}

std::optional<Position> QueueWalk::Scan(Section section, std::optional<Position>& after,
                                        size_t count_max, std::vector<Feed::Entry>& out) {
  absl::StatusOr<ScanResult> scanned =
      ScanSection(engine_.database, queue_key_, section, after, count_max);
  if (!scanned.ok()) {
    TURNPIKE_LOG(kError, "index cannot be read", {{"error", scanned.status().ToString()}});
    return std::nullopt;
  }
  if (scanned->entries.empty()) return std::nullopt;
  const Position first = scanned->entries.front().first;
  after = scanned->entries.back().first;
  for (Feed::Entry& entry : scanned->entries) {
    if (IsWanted(section, entry)) out.push_back(std::move(entry));
  }
  return first;
}

void QueueWalk::ScanOn(Section section, std::optional<Position>& after, size_t count_max,
                       std::vector<Feed::Entry>& out) {
  while (out.size() < count_max) {
    if (!Scan(section, after, count_max - out.size(), out).has_value()) return;
    if (section == Section::kHeld && held_done_) return;
  }
}

std::vector<Feed::Entry> QueueWalk::Next(size_t count_max) {
  std::vector<Feed::Entry> entries;
  if (received_before_ms_ != kNoLimit && !old_left_.has_value()) CountOld();
  if (!deferred_done_) {
    ScanOn(Section::kDeferred, after_deferred_, count_max, entries);
    if (entries.size() < count_max) {
      deferred_done_ = true;
      deferred_seen_.clear();
    }
  }
  ScanOn(Section::kReady, after_ready_, count_max, entries);
  if (entries.size() >= count_max || held_done_) return entries;

  // The first scan of what is held begins where the last session found the first one, not in front
  // of all that was deleted since.
  const bool is_first = !after_held_.has_value();
  uint64_t offers = 0;
  if (is_first) {
    absl::MutexLock lock(&engine_.mu);
    if (Queue* queue = engine_.schedule.Find(queue_key_); queue != nullptr) {
      offers = queue->offers();
      if (queue->held_floor() > 0) {
        after_held_ = Position{.section = Section::kHeld, .delivery_id = queue->held_floor() - 1};
      }
    }
  }
  if (is_first) {
    const std::optional<Position> first =
        Scan(Section::kHeld, after_held_, count_max - entries.size(), entries);
    if (first.has_value()) {
      absl::MutexLock lock(&engine_.mu);
      Queue* queue = engine_.schedule.Find(queue_key_);
      if (queue != nullptr && queue->offers() == offers) queue->RaiseHeldFloor(first->delivery_id);
    }
  }
  if (!held_done_) ScanOn(Section::kHeld, after_held_, count_max, entries);
  return entries;
}

bool QueueWalk::Admits(const records::DeliveryRecord& record) const {
  if (record.has_return_reply() || record.received_ms() >= received_before_ms_) return false;
  for (const auto& recipient : record.recipients()) {
    const std::string& address = recipient.address();
    const size_t at = address.rfind('@');
    if (at == address.npos) return false;
    if (!domains_.contains(absl::AsciiStrToLower(absl::string_view(address).substr(at + 1)))) {
      return false;
    }
  }
  return true;
}

}  // namespace turnpike::spool
