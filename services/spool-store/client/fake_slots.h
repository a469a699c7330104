// Slots in memory, for the tests of whoever takes some.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SLOTS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SLOTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "services/common/base/clock.h"
#include "services/spool-store/client/slots.h"

namespace turnpike::spool {

// Grants inside of the call that makes room, without a lock held. Nothing happens by itself when
// time passes: call Poll after moving the clock.
//
// Thread-safe.
class FakeSlots : public Slots {
 public:
  // `clock` must outlive this and its slots.
  explicit FakeSlots(const base::Clock& clock = base::Clock::System());
  ~FakeSlots() override;

  std::unique_ptr<Slot> Take(Wish wish, absl::AnyInvocable<void()> granted) override;

  // Grants what the passing of time allows.
  void Poll();
  // As a store that is away: nothing is granted.
  void SetAway(bool is_away);
  // Another process's slots of a key.
  void SetHeldElsewhere(const std::string& key, int64_t count);

  int64_t held(const std::string& key) const;  // without those held elsewhere
  int64_t waiting(const std::string& key) const;

 private:
  class State;
  class FakeSlot;
  const std::shared_ptr<State> state_;  // slots may outlive this
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SLOTS_H_
