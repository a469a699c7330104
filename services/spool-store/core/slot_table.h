// Who holds and who waits for slots: bounds of what all streams together do at one time and in a
// minute. In memory only: slots end with their stream.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_SLOT_TABLE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_SLOT_TABLE_H_

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/shared_state.pb.h"

namespace turnpike::spool {

// Each key has a line, in the order of arrival; its first is granted as soon as its own limits
// allow, and nobody passes it. Memory: one record a slot, and one time for each grant of the last
// minute with a limit by the minute.
//
// Thread-compatible.
class SlotTable {
 public:
  using StreamId = uint64_t;
  struct Grant {
    StreamId stream;
    uint64_t slot_id;
  };
  static constexpr size_t kKeyBytesMax = 512;
  static constexpr size_t kSlotsPerStreamMax = 100'000;

  StreamId AddStream();
  // Its slots are free. Grants: here and below, what has become possible, in order.
  void EndStream(StreamId stream, absl::Time now, std::vector<Grant>& grants);

  // INVALID_ARGUMENT: a bad request, or a slot id that the stream has already; RESOURCE_EXHAUSTED:
  // more than kSlotsPerStreamMax. Neither changes anything.
  absl::Status Take(StreamId stream, const v1::SlotRequest& request, absl::Time now,
                    std::vector<Grant>& grants);
  // Gives a slot back, or up. Unknown ones are ignored.
  void Release(StreamId stream, uint64_t slot_id, absl::Time now, std::vector<Grant>& grants);

  // When a limit by the minute lets somebody go on, or a key can be forgotten.
  std::optional<absl::Time> next_time() const;
  // Does what is due by `now`.
  void Advance(absl::Time now, std::vector<Grant>& grants);

  int64_t held() const { return held_; }
  int64_t waiting() const { return waiting_; }
  size_t key_count() const { return keys_.size(); }

 private:
  struct Waiter {
    StreamId stream;
    uint64_t slot_id;
    int32_t slots_max;
    int32_t per_minute_max;
  };
  struct Key {
    std::string name;
    int64_t held = 0;
    std::list<Waiter> line;
    std::deque<absl::Time> grants;  // of the last minute, where that is limited
    std::optional<absl::Time> timer;
  };
  struct Slot {
    Key* key = nullptr;
    std::optional<std::list<Waiter>::iterator> place;  // while it waits
  };
  using Stream = absl::flat_hash_map<uint64_t, Slot>;  // by slot id

  void Drop(const Slot& slot);
  // Grants what can be; sets the key's timer, or forgets the key.
  void Serve(Key& key, absl::Time now, std::vector<Grant>& grants);
  void SetTimer(Key& key, std::optional<absl::Time> time);

  StreamId last_stream_ = 0;
  absl::flat_hash_map<StreamId, Stream> streams_;
  absl::flat_hash_map<std::string, std::unique_ptr<Key>> keys_;
  absl::btree_set<std::pair<absl::Time, Key*>> timers_;
  int64_t held_ = 0;
  int64_t waiting_ = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_SLOT_TABLE_H_
