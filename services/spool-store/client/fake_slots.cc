#include "services/spool-store/client/fake_slots.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::spool {
namespace {

using Granted = absl::AnyInvocable<void()>;

struct Waiting {
  uint64_t id;
  Slots::Wish wish;
  Granted granted;
};

struct Key {
  std::set<uint64_t> held;  // ids
  int64_t held_elsewhere = 0;
  std::deque<absl::Time> grants;  // of the last minute
  std::deque<Waiting> line;
};

}  // namespace

class FakeSlots::State {
 public:
  explicit State(const base::Clock& clock) : clock_(clock) {}

  // Runs `change` under the lock, then grants what it has made room for.
  template <typename Change>
  void Do(const Change& change) ABSL_LOCKS_EXCLUDED(mu_) {
    std::vector<Granted> granted;
    {
      absl::MutexLock lock(&mu_);
      change(*this);
      for (auto& [name, key] : keys) Advance(key, granted);
    }
    for (Granted& one : granted) std::move(one)();
  }

  absl::Mutex& mu() ABSL_LOCK_RETURNED(mu_) { return mu_; }

  std::map<std::string, Key> keys;
  uint64_t last_id = 0;
  bool is_away = false;

 private:
  void Advance(Key& key, std::vector<Granted>& granted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const absl::Time now = clock_.Now();
    while (!key.grants.empty() && key.grants.front() + absl::Minutes(1) <= now) {
      key.grants.pop_front();
    }
    while (!is_away && !key.line.empty()) {
      Waiting& first = key.line.front();
      const auto held = static_cast<int64_t>(key.held.size()) + key.held_elsewhere;
      const auto recent = static_cast<int64_t>(key.grants.size());
      if (first.wish.slots_max > 0 && held >= first.wish.slots_max) return;
      if (first.wish.per_minute_max > 0 && recent >= first.wish.per_minute_max) return;
      key.held.insert(first.id);
      key.grants.push_back(now);
      granted.push_back(std::move(first.granted));
      key.line.pop_front();
    }
  }

  const base::Clock& clock_;
  absl::Mutex mu_;
};

class FakeSlots::FakeSlot : public Slot {
 public:
  FakeSlot(std::shared_ptr<State> state, std::string key, uint64_t id)
      : state_(std::move(state)), key_(std::move(key)), id_(id) {}
  ~FakeSlot() override {
    Granted gone;  // what it holds is freed without the lock
    state_->Do([&](State& state) {
      Key& key = state.keys[key_];
      key.held.erase(id_);
      auto found = std::find_if(key.line.begin(), key.line.end(),
                                [this](const Waiting& waiting) { return waiting.id == id_; });
      if (found == key.line.end()) return;
      gone = std::move(found->granted);
      key.line.erase(found);
    });
  }

 private:
  const std::shared_ptr<State> state_;
  const std::string key_;
  const uint64_t id_;
};

FakeSlots::FakeSlots(const base::Clock& clock) : state_(std::make_shared<State>(clock)) {}

FakeSlots::~FakeSlots() = default;

std::unique_ptr<Slot> FakeSlots::Take(Wish wish, Granted granted) {
  std::unique_ptr<Slot> slot;
  state_->Do([&](State& state) {
    const uint64_t id = ++state.last_id;
    slot = std::make_unique<FakeSlot>(state_, wish.key, id);
    state.keys[wish.key].line.push_back({id, wish, std::move(granted)});
  });
  return slot;
}

void FakeSlots::Poll() {
  state_->Do([](State&) {});
}

void FakeSlots::SetAway(bool is_away) {
  state_->Do([&](State& state) { state.is_away = is_away; });
}

void FakeSlots::SetHeldElsewhere(const std::string& key, int64_t count) {
  state_->Do([&](State& state) { state.keys[key].held_elsewhere = count; });
}

int64_t FakeSlots::held(const std::string& key) const {
  absl::MutexLock lock(&state_->mu());
  return static_cast<int64_t>(state_->keys[key].held.size());
}

int64_t FakeSlots::waiting(const std::string& key) const {
  absl::MutexLock lock(&state_->mu());
  return static_cast<int64_t>(state_->keys[key].line.size());
}

}  // namespace turnpike::spool
