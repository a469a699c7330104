#include "services/spool-store/core/queue.h"

#include <algorithm>
#include <array>
#include <utility>

#include "services/common/base/check.h"

namespace turnpike::spool {

void Queue::Count(const Position& position, int64_t sign) {
  switch (position.section) {
    case Section::kHeld:
      (IsReleased(position) ? released_ : held_) += sign;
      return;
    case Section::kReady:
      ready_ += sign;
      return;
    case Section::kParked:
      parked_ += sign;
      return;
    case Section::kDeferred:
      if (sign > 0) {
        deferred_.Add(IsReleased(position), position.due_second);
      } else {
        deferred_.Remove(IsReleased(position), position.due_second);
      }
      return;
  }
}

void Queue::Offer(const Position& position, const DeliveryFacts& facts) {
  ++offers_;
  if (position.section == Section::kParked) return;
  if (position.section == Section::kHeld) held_floor_ = std::min(held_floor_, position.delivery_id);
  feed(position.section).Offer(position, facts);
}

Feed& Queue::feed(Section section) {
  switch (section) {
    case Section::kHeld:
      return held_feed_;
    case Section::kReady:
      return ready_feed_;
    case Section::kDeferred:
      return deferred_feed_;
    case Section::kParked:
      break;
  }
  base::CheckFailed(__FILE__, __LINE__, "section != kParked", "parked mail is not handed out");
}

void Queue::Add(const Position& position, const DeliveryFacts& facts) {
  Count(position, 1);
  bytes_ += facts.content_bytes;
  ++arrivals_[facts.received_second / 60];
  Offer(position, facts);
}

void Queue::Lease(const Position& position) {
  Count(position, -1);
  ++leased_;
  if (position.section != Section::kParked) feed(position.section).Erase(position);
}

void Queue::Return(const Position& position, const DeliveryFacts& facts) {
  --leased_;
  Count(position, 1);
  Offer(position, facts);
}

void Queue::Undo(const Position& position) {
  --leased_;
  Count(position, 1);
}

void Queue::Remove(const DeliveryFacts& facts) {
  --leased_;
  bytes_ -= facts.content_bytes;
  auto minute = arrivals_.find(facts.received_second / 60);
  if (minute != arrivals_.end() && --minute->second <= 0) arrivals_.erase(minute);
}

void Queue::Release(records::QueueRecord record) {
  SetRecord(std::move(record));
  released_ += held_;
  held_ = 0;
  deferred_.Release();
}

void Queue::SetRecord(records::QueueRecord record) {
  record_ = std::move(record);
  has_record_ = true;
}

v1::DeliveryState Queue::StateAt(const Position& position) const {
  switch (position.section) {
    case Section::kHeld:
      return IsReleased(position) ? v1::DELIVERY_STATE_READY : v1::DELIVERY_STATE_HELD;
    case Section::kReady:
      return v1::DELIVERY_STATE_READY;
    case Section::kParked:
      return v1::DELIVERY_STATE_PARKED;
    case Section::kDeferred:
      if (IsReleased(position) || deferred_.IsPast(position.due_second)) {
        return v1::DELIVERY_STATE_READY;
      }
      return position.due_second == kNeverDue ? v1::DELIVERY_STATE_HELD
                                              : v1::DELIVERY_STATE_DEFERRED;
  }
  return v1::DELIVERY_STATE_UNSPECIFIED;
}

std::optional<int64_t> Queue::OldestDueSecond() {
  std::optional<int64_t> oldest;
  const auto take = [&oldest](int64_t second) {
    oldest = std::min(oldest.value_or(second), second);
  };
  const int64_t release_second = record_.last_release_ms() / 1000;
  if (released_ > 0) take(release_second);
  if (ready_ > 0) {
    const Feed::Entry* head = ready_feed_.head();
    if (head != nullptr) {
      take(head->second.received_second);
    } else if (const std::optional<int64_t> arrival = oldest_second(); arrival.has_value()) {
      take(*arrival);
    }
  }
  if (deferred_.due() > 0) {
    const Feed::Entry* head = deferred_feed_.head();
    if (head == nullptr || IsReleased(head->first)) {
      take(release_second > 0 ? release_second : oldest_second().value_or(0));
    } else {
      take(head->first.due_second);
    }
  }
  return oldest;
}

Queue::NextDue Queue::PeekDue() {
  struct Source {
    Section section;
    int64_t count;
  };
  const std::array<Source, 3> sources = {Source{Section::kReady, ready_},
                                         Source{Section::kHeld, released_},
                                         Source{Section::kDeferred, deferred_.due()}};
  for (size_t i = 0; i < sources.size(); ++i) {
    const Source& source = sources[(turn_ + i) % sources.size()];
    if (source.count <= 0) continue;
    Feed& feed = this->feed(source.section);
    const Feed::Entry* head = feed.head();
    if (head == nullptr) {
      if (feed.has_more() && !feed.is_refilling()) return {.refill = source.section};
      continue;
    }
    if (source.section == Section::kHeld && !IsReleased(head->first)) continue;
    if (source.section == Section::kDeferred && !IsReleased(head->first) &&
        !deferred_.IsPast(head->first.due_second)) {
      continue;
    }
    turn_ = static_cast<int>((turn_ + i + 1) % sources.size());
    return {.entry = *head};
  }
  return {};
}

}  // namespace turnpike::spool
