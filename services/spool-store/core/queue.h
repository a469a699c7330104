// What the store knows in memory of one queue: exact figures, and the heads of its index. Nothing
// here grows with the number of deliveries.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_QUEUE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_QUEUE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "services/spool-store/core/due_counter.h"
#include "services/spool-store/core/feed.h"
#include "services/spool-store/core/index_key.h"
#include "services/spool-store/core/records.pb.h"

namespace turnpike::spool {

// Figures of one queue, or of all.
struct Totals {
  int64_t deliveries = 0;  // in any state
  int64_t bytes = 0;       // content of all of them
  int64_t due = 0;
  int64_t leased = 0;
};

// A delivery is free or leased. Its position says what it is when it is free; releases change that
// for all of them at once, without touching any.
//
// Thread-compatible.
class Queue {
 public:
  explicit Queue(std::string key) : key_(std::move(key)) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  const std::string& key() const { return key_; }
  v1::QueueKind kind() const { return static_cast<v1::QueueKind>(key_.back()); }

  // A new delivery; free.
  void Add(const Position& position, const DeliveryFacts& facts);
  // A free delivery is leased.
  void Lease(const Position& position);
  // A lease has ended; the delivery is free at `position`.
  void Return(const Position& position, const DeliveryFacts& facts);
  // A lease has ended, and there was nothing to lease: what Lease has counted is taken back.
  void Undo(const Position& position);
  // A leased delivery is no more.
  void Remove(const DeliveryFacts& facts);

  // By reference: held ones up to `released_up_to`, and all deferred so far, are due. `record` is
  // the new state on disk.
  void Release(records::QueueRecord record);
  void SetRecord(records::QueueRecord record);  // at start, before deliveries are added
  const records::QueueRecord& record() const { return record_; }
  bool has_record() const { return has_record_; }

  // Deferred deliveries that are due at `second` count as ready from now on.
  void Advance(int64_t second) { deferred_.Advance(second); }
  std::optional<int64_t> next_due_second() const { return deferred_.next_second(); }

  bool IsReleased(const Position& position) const {
    return position.section == Section::kHeld ? position.delivery_id <= record_.released_up_to()
                                              : position.release_epoch < record_.release_epoch();
  }

  // Where a delivery that is to be held stands.
  Position HeldPosition(uint64_t delivery_id) const {
    if (delivery_id > record_.released_up_to()) {
      return {.section = Section::kHeld, .delivery_id = delivery_id};
    }
    return {.section = Section::kDeferred,
            .release_epoch = record_.release_epoch(),
            .due_second = kNeverDue,
            .delivery_id = delivery_id};
  }
  // What a free delivery at `position` is.
  v1::DeliveryState StateAt(const Position& position) const;

  struct NextDue {
    std::optional<Feed::Entry> entry;
    std::optional<Section> refill;  // scan this section, then ask again
  };
  // The next delivery that is due, in turn from the sections. Neither: nothing to do now.
  NextDue PeekDue();
  Feed& feed(Section section);  // not of kParked

  int64_t held() const { return held_ + deferred_.never(); }
  int64_t ready() const { return ready_ + released_ + deferred_.due(); }
  int64_t deferred() const { return deferred_.waiting(); }
  int64_t parked() const { return parked_; }
  int64_t leased() const { return leased_; }
  int64_t bytes() const { return bytes_; }
  bool empty() const {
    return held() == 0 && ready() == 0 && deferred() == 0 && parked_ == 0 && leased_ == 0;
  }
  Totals totals() const {
    return {.deliveries = held() + ready() + deferred() + parked_ + leased_,
            .bytes = bytes_,
            .due = ready(),
            .leased = leased_};
  }
  // Since when the longest-waiting of the deliveries that are due is due; unset when none is. By
  // the heads of the sections: what an operator has made due counts from its arrival.
  std::optional<int64_t> OldestDueSecond();
  // Arrival of the oldest delivery, rounded down to the minute.
  std::optional<int64_t> oldest_second() const {
    if (arrivals_.empty()) return std::nullopt;
    return arrivals_.begin()->first * 60;
  }
  // Deliveries by the minute (since the epoch) of their arrival.
  const absl::btree_map<int64_t, int64_t>& arrivals() const { return arrivals_; }
  // Grows whenever a delivery becomes free.
  uint64_t offers() const { return offers_; }
  // No held delivery is before this one; where scans of all that is held begin.
  uint64_t held_floor() const { return held_floor_; }
  void RaiseHeldFloor(uint64_t delivery_id) { held_floor_ = delivery_id; }

  // Of the scheduler: whether the queue is in its ring, and where it waits for its next due time.
  bool in_ring = false;
  std::optional<int64_t> timer_second;
  Totals counted;  // this queue's part of the totals

 private:
  void Count(const Position& position, int64_t sign);
  void Offer(const Position& position, const DeliveryFacts& facts);

  const std::string key_;
  records::QueueRecord record_;
  bool has_record_ = false;
  int64_t held_ = 0;      // free, beyond the mark
  int64_t released_ = 0;  // free in the held section, up to the mark
  int64_t ready_ = 0;
  int64_t parked_ = 0;
  int64_t leased_ = 0;
  int64_t bytes_ = 0;
  DueCounter deferred_;
  absl::btree_map<int64_t, int64_t> arrivals_;
  uint64_t offers_ = 0;
  uint64_t held_floor_ = 0;
  Feed held_feed_;
  Feed ready_feed_;
  Feed deferred_feed_;
  int turn_ = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_QUEUE_H_
