#include "services/spool-store/core/schedule.h"

namespace turnpike::spool {

Queue& Schedule::GetOrMake(absl::string_view queue_key) {
  auto found = queues_.find(queue_key);
  if (found == queues_.end()) {
    auto queue = std::make_unique<Queue>(std::string(queue_key));
    queue->Advance(now_second_);
    found = queues_.emplace(std::string(queue_key), std::move(queue)).first;
  }
  return *found->second;
}

Queue* Schedule::Find(absl::string_view queue_key) {
  auto found = queues_.find(queue_key);
  return found == queues_.end() ? nullptr : found->second.get();
}

void Schedule::Recount(Queue& queue) {
  const Totals now = queue.totals();
  totals_.deliveries += now.deliveries - queue.counted.deliveries;
  totals_.bytes += now.bytes - queue.counted.bytes;
  totals_.due += now.due - queue.counted.due;
  totals_.leased += now.leased - queue.counted.leased;
  queue.counted = now;
}

void Schedule::Reconsider(Queue& queue) {
  Recount(queue);
  if (!queue.in_ring && queue.ready() > 0) {
    queue.in_ring = true;
    ring_.push_back(&queue);
  }
  const std::optional<int64_t> next = queue.next_due_second();
  if (next != queue.timer_second) {
    if (queue.timer_second.has_value()) timers_.erase({*queue.timer_second, &queue});
    if (next.has_value()) timers_.insert({*next, &queue});
    queue.timer_second = next;
  }
}

// Queues in the ring are dropped when their turn comes.
void Schedule::DropIfEmpty(Queue& queue) {
  Recount(queue);
  if (queue.in_ring || queue.has_record() || !queue.empty()) return;
  for (Section section : {Section::kHeld, Section::kReady, Section::kDeferred}) {
    if (queue.feed(section).is_refilling()) return;
  }
  queues_.erase(std::string(queue.key()));
}

void Schedule::Add(Queue& queue, const Position& position, const DeliveryFacts& facts) {
  queue.Add(position, facts);
  Reconsider(queue);
}

Lease* Schedule::LeaseAt(Queue& queue, const Position& position, const DeliveryFacts& facts,
                         HolderId holder, absl::Time now) {
  Lease* lease = leases_.Claim(position.delivery_id, holder, now);
  if (lease == nullptr) return nullptr;
  lease->position = position;
  lease->facts = facts;
  leases_.SetQueue(lease, &queue);
  queue.Lease(position);
  Reconsider(queue);
  return lease;
}

Schedule::Picked Schedule::PickDue(HolderId holder, const PickOptions& options, absl::Time now) {
  Picked picked;
  int count = options.count;
  int64_t bytes = 0;
  size_t passed = 0;  // queues in a row that gave nothing
  while (count > 0 && bytes < options.bytes_max && passed < ring_.size()) {
    Queue& queue = *ring_.front();
    const bool is_paused = options.paused != nullptr && options.paused->contains(queue.key());
    int64_t room = is_paused ? 0 : options.queue_count_max - leases_.count_of(holder, &queue);
    int taken = 0;
    while (count > 0 && room > 0 && taken < kTurnDeliveries && bytes < options.bytes_max) {
      const Queue::NextDue next = queue.PeekDue();
      if (next.refill.has_value()) {
        picked.refill = {&queue, *next.refill};
        return picked;
      }
      if (!next.entry.has_value()) break;
      const auto& [position, facts] = *next.entry;
      Lease* lease = LeaseAt(queue, position, facts, holder, now);
      if (lease == nullptr) {  // leased while it was read from the disk
        queue.feed(position.section).Erase(position);
        continue;
      }
      picked.leases.push_back(lease);
      bytes += facts.content_bytes;
      --count;
      --room;
      ++taken;
    }
    if (queue.ready() <= 0) {
      ring_.pop_front();
      queue.in_ring = false;
      DropIfEmpty(queue);
      passed = 0;
      continue;
    }
    ring_.splice(ring_.end(), ring_, ring_.begin());
    passed = taken > 0 ? 0 : passed + 1;
  }
  return picked;
}

void Schedule::Return(Lease* lease) {
  Queue& queue = *lease->queue;
  const Position position = lease->position;
  const DeliveryFacts facts = lease->facts;
  leases_.End(lease);
  queue.Return(position, facts);
  Reconsider(queue);
}

void Schedule::Undo(Lease* lease) {
  Queue& queue = *lease->queue;
  const Position position = lease->position;
  leases_.End(lease);
  queue.Undo(position);
  DropIfEmpty(queue);
}

void Schedule::Remove(Lease* lease) {
  Queue& queue = *lease->queue;
  const DeliveryFacts facts = lease->facts;
  leases_.End(lease);
  queue.Remove(facts);
  DropIfEmpty(queue);
}

void Schedule::EndHolder(HolderId holder) {
  for (Lease* lease : leases_.LeasesOf(holder)) {
    if (lease->is_settling) {
      leases_.Detach(lease);
    } else {
      Return(lease);
    }
  }
  leases_.RemoveHolder(holder);
}

void Schedule::EndExpired(absl::Time now, const std::function<void(const Lease&)>& tell) {
  for (Lease* lease : leases_.Expired(now)) {
    tell(*lease);
    Return(lease);
  }
}

void Schedule::Release(Queue& queue, records::QueueRecord record) {
  queue.Release(std::move(record));
  Reconsider(queue);
}

void Schedule::Tick(absl::Time now) {
  now_second_ = absl::ToUnixSeconds(now);
  while (!timers_.empty() && timers_.begin()->first <= now_second_) {
    Queue& queue = *timers_.begin()->second;
    queue.Advance(now_second_);
    Reconsider(queue);
  }
}

void Schedule::EndRefill(Queue& queue, Section section, const std::vector<Feed::Entry>& scanned,
                         bool reached_end) {
  queue.feed(section).EndRefill(scanned, reached_end, [this](const Position& position) {
    return leases_.Find(position.delivery_id) == nullptr;
  });
  Reconsider(queue);
  DropIfEmpty(queue);
}

}  // namespace turnpike::spool
