#include "services/spool-store/storage/queue_walk.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "services/common/observe/log.h"
#include "services/spool-store/storage/index_scan.h"

namespace turnpike::spool {

QueueWalk::QueueWalk(Engine& engine, const v1::QueueScope& scope)
    : engine_(engine), queue_key_(QueueKey(scope.queue())) {
  for (const std::string& domain : scope.recipient_domains()) {
    domains_.insert(absl::AsciiStrToLower(domain));
  }
}

void QueueWalk::Scan(Section section, std::optional<Position>& after, size_t count_max,
                     std::vector<Feed::Entry>& out) {
  absl::StatusOr<ScanResult> scanned =
      ScanSection(engine_.database, queue_key_, section, after, count_max);
  if (!scanned.ok()) {
    TURNPIKE_LOG(kError, "index cannot be read", {{"error", scanned.status().ToString()}});
    return;
  }
  if (scanned->entries.empty()) return;
  after = scanned->entries.back().first;
  for (Feed::Entry& entry : scanned->entries) {
    if (section == Section::kDeferred && !deferred_seen_.insert(entry.first.delivery_id).second) {
      continue;
    }
    out.push_back(std::move(entry));
  }
}

std::vector<Feed::Entry> QueueWalk::Next(size_t count_max) {
  std::vector<Feed::Entry> entries;
  while (!deferred_done_ && entries.size() < count_max) {
    const std::optional<Position> before = after_deferred_;
    Scan(Section::kDeferred, after_deferred_, count_max - entries.size(), entries);
    if (after_deferred_ == before) {
      deferred_done_ = true;
      deferred_seen_.clear();
    }
  }
  if (entries.size() < count_max) {
    Scan(Section::kReady, after_ready_, count_max - entries.size(), entries);
  }
  if (entries.size() >= count_max) return entries;

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
  const size_t held_begin = entries.size();
  Scan(Section::kHeld, after_held_, count_max - entries.size(), entries);
  if (is_first && entries.size() > held_begin) {
    absl::MutexLock lock(&engine_.mu);
    Queue* queue = engine_.schedule.Find(queue_key_);
    if (queue != nullptr && queue->offers() == offers) {
      queue->RaiseHeldFloor(entries[held_begin].first.delivery_id);
    }
  }
  return entries;
}

bool QueueWalk::Admits(const records::DeliveryRecord& record) const {
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
