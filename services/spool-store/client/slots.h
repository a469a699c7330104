// Slots: bounds of what all processes together do at one time and in a minute
// (turnpike.spool.v1.SharedStateService.HoldSlots), as other services see them. Implementations:
// RpcSlots and FakeSlots.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SLOTS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SLOTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"

namespace turnpike::spool {

// A slot that is held or waited for. Destroying it gives it back, or up; a call of its `granted`
// that has begun may go on meanwhile. May outlive the Slots.
class Slot {
 public:
  virtual ~Slot() = default;
};

// Thread-safe. One process has at most 100,000 slots of its own.
class Slots {
 public:
  struct Wish {
    std::string key;             // `destination/mx1.example.org`; not empty, cut at 512 octets
    int32_t slots_max = 0;       // most of this key at one time, of all processes; 0: no limit
    int32_t per_minute_max = 0;  // most of this key granted in a minute; 0: no limit
  };

  virtual ~Slots() = default;

  // Takes a slot, in the order of asking among all who wait for the key. `granted` is called at
  // most once, on any thread, perhaps within Take; it must not block. Nothing is granted while the
  // store is away; slots that were granted before stay so, and count again when it is back.
  virtual std::unique_ptr<Slot> Take(Wish wish, absl::AnyInvocable<void()> granted) = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SLOTS_H_
