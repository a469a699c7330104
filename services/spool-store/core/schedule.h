// All queues and leases: who gets which delivery next. The store's whole state in memory, without
// disk, threads or clock.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_SCHEDULE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_SCHEDULE_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/spool-store/core/lease_table.h"
#include "services/spool-store/core/queue.h"

namespace turnpike::spool {

// Fair: queues with due work stand in a ring, and each turn takes at most kTurnDeliveries of one.
//
// Thread-compatible.
class Schedule {
 public:
  static constexpr int kTurnDeliveries = 8;

  explicit Schedule(uint64_t boot) : leases_(boot) {}

  LeaseTable& leases() { return leases_; }
  const LeaseTable& leases() const { return leases_; }

  Queue& GetOrMake(absl::string_view queue_key);
  Queue* Find(absl::string_view queue_key);
  // By queue key.
  const absl::btree_map<std::string, std::unique_ptr<Queue>>& queues() const { return queues_; }

  // A new delivery is on disk.
  void Add(Queue& queue, const Position& position, const DeliveryFacts& facts);

  // Leases deliveries that are due.
  using QueueKeys = absl::flat_hash_set<std::string>;
  struct PickOptions {
    int count = 0;                      // at most, in all
    int64_t queue_count_max = 0;        // at most of one queue at once by this holder
    int64_t bytes_max = 0;              // no more once there are so many octets
    const QueueKeys* paused = nullptr;  // nothing of these queues; may be null
  };
  struct Picked {
    std::vector<Lease*> leases;
    // This section must be scanned before more can be picked.
    std::optional<std::pair<Queue*, Section>> refill;
  };
  Picked PickDue(HolderId holder, const PickOptions& options, absl::Time now);

  // Leases a delivery that was found on disk; nullptr when it is leased.
  Lease* LeaseAt(Queue& queue, const Position& position, const DeliveryFacts& facts,
                 HolderId holder, absl::Time now);

  // The lease is over and the delivery is free, at lease->position.
  void Return(Lease* lease);
  // The lease was of nothing: the delivery is gone, or elsewhere.
  void Undo(Lease* lease);
  // The delivery is done.
  void Remove(Lease* lease);
  // Ends all leases of a holder but those being settled, and the holder.
  void EndHolder(HolderId holder);
  // Takes back what has expired; tells before each.
  void EndExpired(absl::Time now, const std::function<void(const Lease&)>& tell);

  void Release(Queue& queue, records::QueueRecord record);
  // Deferred deliveries that are due by now become work.
  void Tick(absl::Time now);

  void EndRefill(Queue& queue, Section section, const std::vector<Feed::Entry>& scanned,
                 bool reached_end);

  bool has_due_work() const { return !ring_.empty(); }
  // Of all queues; exact.
  const Totals& totals() const { return totals_; }

 private:
  // Whoever has changed a queue calls this.
  void Reconsider(Queue& queue);
  void DropIfEmpty(Queue& queue);
  void Recount(Queue& queue);

  LeaseTable leases_;
  absl::btree_map<std::string, std::unique_ptr<Queue>> queues_;
  std::list<Queue*> ring_;
  absl::btree_set<std::pair<int64_t, Queue*>> timers_;
  int64_t now_second_ = 0;
  Totals totals_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_SCHEDULE_H_
