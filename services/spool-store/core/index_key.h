// Keys of the column families `index`, `delivery` and `queue`. They sort as the store reads them:
// within a queue and a section by age, deferred ones by when they are due.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_INDEX_KEY_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_INDEX_KEY_H_

#include <compare>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::spool {

// The value is the first octet of a key on disk. Never change.
enum class Section : char { kDeferred = 'd', kHeld = 'h', kParked = 'p', kReady = 'r' };

// Due never: held again, by an operator, after a release had reached the delivery.
inline constexpr int64_t kNeverDue = int64_t{1} << 40;

// Where a delivery stands within its queue. Sorts as its key.
struct Position {
  Section section = Section::kReady;
  uint32_t release_epoch = 0;  // kDeferred only
  int64_t due_second = 0;      // kDeferred only; >= 0
  uint64_t delivery_id = 0;

  friend auto operator<=>(const Position&, const Position&) = default;
};

// What the index's value says.
struct DeliveryFacts {
  int64_t content_bytes = 0;
  int64_t received_second = 0;  // since the epoch
};

// A queue's key: its name, NUL, its kind. Sorts by name; no key is the beginning of another.
std::string QueueKey(const v1::QueueName& queue);
// False when `key` is none.
bool ParseQueueKey(absl::string_view key, v1::QueueName& queue);

std::string DeliveryKey(uint64_t delivery_id);
bool ParseDeliveryKey(absl::string_view key, uint64_t& delivery_id);

// What all index keys of a queue's section begin with.
std::string IndexPrefix(Section section, absl::string_view queue_key);
std::string IndexKey(absl::string_view queue_key, const Position& position);
// `queue_key` is a part of `key`. False when `key` is none.
bool ParseIndexKey(absl::string_view key, absl::string_view& queue_key, Position& position);

// The smallest key after all that begin with `prefix`; empty when there is none.
std::string AfterPrefix(absl::string_view prefix);

void AppendBigEndian64(uint64_t value, std::string& out);
uint64_t ReadBigEndian64(absl::string_view bytes);  // the first 8

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_INDEX_KEY_H_
