#include "services/spool-store/client/sharded_slots.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/check.h"
#include "services/common/base/ticker.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);

// FNV-1a, and a last mixing, so that places differ in all bits.
uint64_t HashOf(absl::string_view key, size_t place) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](uint8_t octet) { hash = (hash ^ octet) * 0x100000001b3; };
  for (const char c : key) add(static_cast<uint8_t>(c));
  for (int shift = 0; shift < 16; shift += 8) add(static_cast<uint8_t>(place >> shift));
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

// What of all slots is still waited for, and who is up. Shared with the slots.
class Holder : public std::enable_shared_from_this<Holder> {
 public:
  Holder(std::vector<SlotsShard> shards, absl::Duration patience, const base::Clock& clock)
      : shards_(std::move(shards)),
        patience_(patience),
        clock_(clock),
        up_time_(shards_.size(), clock.Now()),
        is_usable_(shards_.size(), true) {}

  uint64_t Take(Slots::Wish wish, absl::AnyInvocable<void()> granted) {
    uint64_t id = 0;
    {
      absl::MutexLock lock(&mu_);
      id = ++last_id_;
      entries_.emplace(id, Entry{.wish = std::move(wish), .granted = std::move(granted)});
    }
    Place(id);
    return id;
  }

  void Release(uint64_t id) {
    Entry gone;  // given back without the lock
    {
      absl::MutexLock lock(&mu_);
      const auto found = entries_.find(id);
      if (found == entries_.end()) return;
      gone = std::move(found->second);
      entries_.erase(found);
    }
  }

  // Notes who is up, and moves what waits for one who is not.
  void Tick() {
    const absl::Time now = clock_.Now();
    std::vector<bool> is_up;
    for (const SlotsShard& shard : shards_) is_up.push_back(shard.is_up());
    std::vector<uint64_t> to_move;
    {
      absl::MutexLock lock(&mu_);
      for (size_t i = 0; i < is_up.size(); ++i) {
        if (is_up[i]) up_time_[i] = now;
        is_usable_[i] = now - up_time_[i] < patience_;
      }
      for (const auto& [id, entry] : entries_) {
        if (!entry.is_granted && entry.place.has_value() && !is_usable_[*entry.place] &&
            PlaceOf(entry.wish.key, is_usable_) != *entry.place) {
          to_move.push_back(id);
        }
      }
    }
    for (const uint64_t id : to_move) Place(id);
  }

 private:
  struct Entry {
    Slots::Wish wish;
    absl::AnyInvocable<void()> granted;
    bool is_granted = false;
    uint64_t attempt = 0;         // grants of earlier ones do not count
    std::optional<size_t> place;  // the shard that is asked
    std::unique_ptr<Slot> slot;   // there
  };

  // Asks the key's shard; gives up what was asked of another.
  void Place(uint64_t id) {
    Slots::Wish wish;
    size_t place = 0;
    uint64_t attempt = 0;
    std::unique_ptr<Slot> old;  // given up without the lock
    {
      absl::MutexLock lock(&mu_);
      const auto found = entries_.find(id);
      if (found == entries_.end() || found->second.is_granted) return;
      Entry& entry = found->second;
      wish = entry.wish;
      place = PlaceOf(wish.key, is_usable_);
      entry.place = place;
      attempt = ++entry.attempt;
      old = std::move(entry.slot);
    }
    old.reset();
    std::unique_ptr<Slot> slot = shards_[place].slots->Take(
        std::move(wish),
        [self = shared_from_this(), id, attempt] { self->OnGranted(id, attempt); });
    absl::MutexLock lock(&mu_);
    const auto found = entries_.find(id);
    if (found != entries_.end() && found->second.attempt == attempt) {
      found->second.slot.swap(slot);
    }
  }

  void OnGranted(uint64_t id, uint64_t attempt) {
    absl::AnyInvocable<void()> granted;
    {
      absl::MutexLock lock(&mu_);
      const auto found = entries_.find(id);
      if (found == entries_.end() || found->second.attempt != attempt) return;
      found->second.is_granted = true;
      granted = std::exchange(found->second.granted, nullptr);
    }
    if (granted) std::move(granted)();
  }

  const std::vector<SlotsShard> shards_;
  const absl::Duration patience_;
  const base::Clock& clock_;
  absl::Mutex mu_;
  std::vector<absl::Time> up_time_ ABSL_GUARDED_BY(mu_);  // when each was up last
  std::vector<bool> is_usable_ ABSL_GUARDED_BY(mu_);
  uint64_t last_id_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

class ShardedSlot : public Slot {
 public:
  ShardedSlot(std::shared_ptr<Holder> holder, uint64_t id) : holder_(std::move(holder)), id_(id) {}
  ~ShardedSlot() override { holder_->Release(id_); }

 private:
  const std::shared_ptr<Holder> holder_;
  const uint64_t id_;
};

class ShardedSlots : public Slots {
 public:
  explicit ShardedSlots(std::shared_ptr<Holder> holder)
      : holder_(std::move(holder)),
        ticker_(kTick, [holder = holder_](const base::Ticker&) { holder->Tick(); }) {}

  std::unique_ptr<Slot> Take(Wish wish, absl::AnyInvocable<void()> granted) override {
    const uint64_t id = holder_->Take(std::move(wish), std::move(granted));
    return std::make_unique<ShardedSlot>(holder_, id);
  }

 private:
  const std::shared_ptr<Holder> holder_;
  base::Ticker ticker_;
};

}  // namespace

size_t PlaceOf(absl::string_view key, const std::vector<bool>& is_usable) {
  size_t best = 0;
  std::optional<uint64_t> best_hash;
  for (size_t i = 0; i < is_usable.size(); ++i) {
    if (!is_usable[i]) continue;
    const uint64_t hash = HashOf(key, i);
    if (best_hash.has_value() && hash <= *best_hash) continue;
    best = i;
    best_hash = hash;
  }
  return best;
}

std::unique_ptr<Slots> CreateShardedSlots(std::vector<SlotsShard> shards, absl::Duration patience,
                                          const base::Clock& clock) {
  TURNPIKE_CHECK(!shards.empty());
  return std::make_unique<ShardedSlots>(
      std::make_shared<Holder>(std::move(shards), patience, clock));
}

}  // namespace turnpike::spool
