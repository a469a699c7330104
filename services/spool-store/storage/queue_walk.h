// One worker's way through all that a queue holds (ATRN): each delivery at most once, oldest first,
// going on as new ones arrive.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_QUEUE_WALK_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_QUEUE_WALK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "services/spool-store/core/feed.h"
#include "services/spool-store/core/records.pb.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

// Confined to the task that serves the worker.
class QueueWalk {
 public:
  QueueWalk(Engine& engine, const v1::QueueScope& scope);

  const std::string& queue_key() const { return queue_key_; }
  // Up to `count_max` further entries; fewer only when there are no more now.
  std::vector<Feed::Entry> Next(size_t count_max);
  // Whether the worker may have it: all recipients are of its domains, it was received early
  // enough, and no operator wants it returned (that is for a worker of all queues).
  bool Admits(const records::DeliveryRecord& record) const;

 private:
  // One scan. Returns where it began, if it found anything.
  std::optional<Position> Scan(Section section, std::optional<Position>& after, size_t count_max,
                               std::vector<Feed::Entry>& out);
  // Scans until `out` has `count_max` entries, or there are no more.
  void ScanOn(Section section, std::optional<Position>& after, size_t count_max,
              std::vector<Feed::Entry>& out);
  bool IsWanted(Section section, const Feed::Entry& entry);
  void CountOld();
  // Whether all of the minute of arrival is before the limit.
  bool IsOld(int64_t minute) const { return (minute + 1) * 60'000 <= received_before_ms_; }

  Engine& engine_;
  const std::string queue_key_;
  absl::flat_hash_set<std::string> domains_;
  const int64_t received_before_ms_;  // kNoLimit: all
  // What had been released before and deferred comes first, and once: what this worker defers
  // itself is not handed to it again.
  bool deferred_done_ = false;
  absl::flat_hash_set<uint64_t> deferred_seen_;
  std::optional<Position> after_deferred_;
  std::optional<Position> after_ready_;
  std::optional<Position> after_held_;
  bool held_done_ = false;  // the rest was received too late
  // Of the queue's old deliveries, those not met yet. A shard that was drained has brought its own
  // behind younger ones.
  std::optional<int64_t> old_left_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_QUEUE_WALK_H_
