// Slots of several stores as one (DL-40).
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARDED_SLOTS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARDED_SLOTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/slots.h"

namespace turnpike::spool {

// Which of `is_usable.size()` places `key` has among those that are usable; the same in every
// process, and when one place comes or goes only the keys of that one move. 0 when none is usable.
size_t PlaceOf(absl::string_view key, const std::vector<bool>& is_usable);

// A store, as far as slots go.
struct SlotsShard {
  std::unique_ptr<Slots> slots;
  std::function<bool()> is_up;  // as Shard's
};

// A key's slots are with one shard. When that has been away for `patience`, those that wait are
// taken from another, so that a shard that is away stops nobody; what was granted stays granted.
//
// Limit: at such a change, and for as long as processes do not agree on who is away, a key is
// counted in two places, and its limit may be passed by as many as are held in the first.
//
// `clock` outlives it.
std::unique_ptr<Slots> CreateShardedSlots(std::vector<SlotsShard> shards, absl::Duration patience,
                                          const base::Clock& clock);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARDED_SLOTS_H_
