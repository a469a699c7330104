// Leases: time-bounded exclusive claims on deliveries. They live in memory only: taking one costs
// no write, and a restart ends them all.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_LEASE_TABLE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_LEASE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/spool-store/core/index_key.h"
#include "services/spool-store/core/records.pb.h"

namespace turnpike::spool {

class Queue;

using HolderId = uint64_t;
inline constexpr HolderId kNoHolder = 0;  // a claim of the store's own

struct Lease {
  uint64_t delivery_id = 0;
  uint64_t fence = 0;
  Queue* queue = nullptr;
  Position position;  // what the delivery is without the lease
  DeliveryFacts facts;
  HolderId holder = kNoHolder;
  absl::Time start;
  absl::Time end;
  // A settlement is being written: the lease neither expires nor ends with its holder.
  bool is_settling = false;
  std::shared_ptr<const records::DeliveryRecord> record;  // as handed out; may be missing

  // The holder's leases, in the order of their ends.
  Lease* previous = nullptr;
  Lease* next = nullptr;
};

// Fences grow with every lease, also over restarts: the start's number is in their upper bits.
//
// Thread-compatible.
class LeaseTable {
 public:
  // `boot`: grows with every start of the store; below 2^24.
  explicit LeaseTable(uint64_t boot) : boot_(boot) {}
  LeaseTable(const LeaseTable&) = delete;
  LeaseTable& operator=(const LeaseTable&) = delete;

  // A holder's leases end `duration` after their start or renewal.
  HolderId AddHolder(absl::Duration duration);
  // The holder must have no leases.
  void RemoveHolder(HolderId holder);

  // nullptr when the delivery is leased already.
  Lease* Claim(uint64_t delivery_id, HolderId holder, absl::Time now);
  Lease* Find(uint64_t delivery_id) const;
  // Ends the lease and frees it.
  void End(Lease* lease);
  void Renew(Lease* lease, absl::Time now);
  // The holder goes on without this lease, which stays for the store to end. It counts as the
  // holder's no more.
  void Detach(Lease* lease);

  // Whether a token of this fence can have been given out.
  bool IsIssued(uint64_t fence) const { return fence > 0 && fence <= LastFence(); }

  std::vector<Lease*> LeasesOf(HolderId holder) const;
  // Those that are over and not being settled, earliest first.
  std::vector<Lease*> Expired(absl::Time now) const;

  int64_t count() const { return static_cast<int64_t>(leases_.size()); }
  int64_t count_of(HolderId holder) const;
  int64_t count_of(HolderId holder, const Queue* queue) const;
  // Call when the lease's queue is known.
  void SetQueue(Lease* lease, Queue* queue);
  // Start of the holder's oldest lease (since its last renewal); InfiniteFuture without any.
  absl::Time oldest_of(HolderId holder) const;

 private:
  struct Holder {
    absl::Duration duration;
    Lease* first = nullptr;
    Lease* last = nullptr;
    int64_t count = 0;
    absl::flat_hash_map<const Queue*, int64_t> by_queue;
  };
  uint64_t LastFence() const { return boot_ << 40 | counter_; }
  void Append(Holder& holder, Lease* lease);
  void Unlink(Holder& holder, Lease* lease);

  const uint64_t boot_;
  uint64_t counter_ = 0;
  HolderId last_holder_ = kNoHolder;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Lease>> leases_;  // by delivery
  absl::flat_hash_map<HolderId, Holder> holders_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_LEASE_TABLE_H_
