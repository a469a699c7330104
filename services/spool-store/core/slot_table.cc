#include "services/spool-store/core/slot_table.h"

#include <iterator>

namespace turnpike::spool {
namespace {

constexpr absl::Duration kMinute = absl::Minutes(1);

}  // namespace

SlotTable::StreamId SlotTable::AddStream() {
  streams_.try_emplace(++last_stream_);
  return last_stream_;
}

void SlotTable::EndStream(StreamId stream, absl::Time now, std::vector<Grant>& grants) {
  auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  // All first, so that none of them is granted on its way out.
  absl::btree_set<std::string> names;
  for (const auto& [id, slot] : found->second) {
    names.insert(slot.key->name);
    Drop(slot);
  }
  streams_.erase(found);
  for (const std::string& name : names) Serve(*keys_.at(name), now, grants);
}

absl::Status SlotTable::Take(StreamId stream, const v1::SlotRequest& request, absl::Time now,
                             std::vector<Grant>& grants) {
  Stream& slots = streams_.at(stream);
  if (request.key().empty() || request.key().size() > kKeyBytesMax) {
    return absl::InvalidArgumentError("a slot's key must have 1 to 512 octets");
  }
  if (request.slots_max() < 0 || request.per_minute_max() < 0) {
    return absl::InvalidArgumentError("a slot's limit is negative");
  }
  if (slots.contains(request.slot_id())) {
    return absl::InvalidArgumentError("the stream has this slot already");
  }
  if (slots.size() >= kSlotsPerStreamMax) {
    return absl::ResourceExhaustedError("the stream has too many slots");
  }
  std::unique_ptr<Key>& key = keys_[request.key()];
  if (key == nullptr) {
    key = std::make_unique<Key>();
    key->name = request.key();
  }
  key->line.push_back({.stream = stream,
                       .slot_id = request.slot_id(),
                       .slots_max = request.slots_max(),
                       .per_minute_max = request.per_minute_max()});
  slots[request.slot_id()] = {.key = key.get(), .place = std::prev(key->line.end())};
  ++waiting_;
  Serve(*key, now, grants);
  return absl::OkStatus();
}

void SlotTable::Release(StreamId stream, uint64_t slot_id, absl::Time now,
                        std::vector<Grant>& grants) {
  Stream& slots = streams_.at(stream);
  auto found = slots.find(slot_id);
  if (found == slots.end()) return;
  const Slot slot = found->second;
  slots.erase(found);
  Drop(slot);
  Serve(*slot.key, now, grants);
}

std::optional<absl::Time> SlotTable::next_time() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

void SlotTable::Advance(absl::Time now, std::vector<Grant>& grants) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Key& key = *timers_.begin()->second;
    SetTimer(key, std::nullopt);
    Serve(key, now, grants);
  }
}

void SlotTable::Drop(const Slot& slot) {
  if (slot.place.has_value()) {
    slot.key->line.erase(*slot.place);
    --waiting_;
  } else {
    --slot.key->held;
    --held_;
  }
}

void SlotTable::Serve(Key& key, absl::Time now, std::vector<Grant>& grants) {
  while (!key.grants.empty() && key.grants.front() + kMinute <= now) key.grants.pop_front();
  std::optional<absl::Time> timer;
  while (!key.line.empty()) {
    const Waiter first = key.line.front();
    if (first.slots_max > 0 && key.held >= first.slots_max) break;
    const auto per_minute_max = static_cast<size_t>(first.per_minute_max);
    if (per_minute_max > 0 && key.grants.size() >= per_minute_max) {
      timer = key.grants[key.grants.size() - per_minute_max] + kMinute;
      break;
    }
    streams_.at(first.stream).at(first.slot_id).place = std::nullopt;
    key.line.pop_front();
    ++key.held;
    --waiting_;
    ++held_;
    if (per_minute_max > 0) key.grants.push_back(now);
    grants.push_back({.stream = first.stream, .slot_id = first.slot_id});
  }
  if (key.held == 0 && key.line.empty()) {
    if (key.grants.empty()) {
      SetTimer(key, std::nullopt);
      const std::string name = key.name;
      keys_.erase(name);
      return;
    }
    timer = key.grants.back() + kMinute;
  }
  SetTimer(key, timer);
}

void SlotTable::SetTimer(Key& key, std::optional<absl::Time> time) {
  if (key.timer == time) return;
  if (key.timer.has_value()) timers_.erase({*key.timer, &key});
  if (time.has_value()) timers_.insert({*time, &key});
  key.timer = time;
}

}  // namespace turnpike::spool
