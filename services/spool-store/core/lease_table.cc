#include "services/spool-store/core/lease_table.h"

#include "services/common/base/check.h"

namespace turnpike::spool {

HolderId LeaseTable::AddHolder(absl::Duration duration) {
  holders_[++last_holder_].duration = duration;
  return last_holder_;
}

void LeaseTable::RemoveHolder(HolderId holder) {
  auto found = holders_.find(holder);
  if (found == holders_.end()) return;
  TURNPIKE_CHECK(found->second.count == 0);
  holders_.erase(found);
}

void LeaseTable::Append(Holder& holder, Lease* lease) {
  lease->previous = holder.last;
  lease->next = nullptr;
  (holder.last == nullptr ? holder.first : holder.last->next) = lease;
  holder.last = lease;
  ++holder.count;
}

void LeaseTable::Unlink(Holder& holder, Lease* lease) {
  (lease->previous == nullptr ? holder.first : lease->previous->next) = lease->next;
  (lease->next == nullptr ? holder.last : lease->next->previous) = lease->previous;
  lease->previous = lease->next = nullptr;
  --holder.count;
}

Lease* LeaseTable::Claim(uint64_t delivery_id, HolderId holder, absl::Time now) {
  auto [found, made] = leases_.try_emplace(delivery_id);
  if (!made) return nullptr;
  found->second = std::make_unique<Lease>();
  Lease* lease = found->second.get();
  lease->delivery_id = delivery_id;
  ++counter_;
  lease->fence = LastFence();
  lease->holder = holder;
  lease->start = now;
  lease->end = absl::InfiniteFuture();
  if (holder != kNoHolder) {
    Holder& owner = holders_.at(holder);
    lease->end = now + owner.duration;
    Append(owner, lease);
  }
  return lease;
}

Lease* LeaseTable::Find(uint64_t delivery_id) const {
  auto found = leases_.find(delivery_id);
  return found == leases_.end() ? nullptr : found->second.get();
}

void LeaseTable::Detach(Lease* lease) {
  if (lease->holder == kNoHolder) return;
  Holder& holder = holders_.at(lease->holder);
  Unlink(holder, lease);
  if (lease->queue != nullptr) {
    auto by_queue = holder.by_queue.find(lease->queue);
    if (by_queue != holder.by_queue.end() && --by_queue->second <= 0) {
      holder.by_queue.erase(by_queue);
    }
  }
  lease->holder = kNoHolder;
  lease->end = absl::InfiniteFuture();
}

void LeaseTable::End(Lease* lease) {
  Detach(lease);
  leases_.erase(lease->delivery_id);
}

void LeaseTable::Renew(Lease* lease, absl::Time now) {
  if (lease->holder == kNoHolder) return;
  Holder& holder = holders_.at(lease->holder);
  lease->start = now;
  lease->end = now + holder.duration;
  Unlink(holder, lease);
  Append(holder, lease);
}

void LeaseTable::SetQueue(Lease* lease, Queue* queue) {
  lease->queue = queue;
  if (lease->holder != kNoHolder) ++holders_.at(lease->holder).by_queue[queue];
}

std::vector<Lease*> LeaseTable::LeasesOf(HolderId holder) const {
  std::vector<Lease*> leases;
  auto found = holders_.find(holder);
  if (found == holders_.end()) return leases;
  for (Lease* lease = found->second.first; lease != nullptr; lease = lease->next) {
    leases.push_back(lease);
  }
  return leases;
}

std::vector<Lease*> LeaseTable::Expired(absl::Time now) const {
  std::vector<Lease*> expired;
  for (const auto& [id, holder] : holders_) {
    for (Lease* lease = holder.first; lease != nullptr && lease->end <= now; lease = lease->next) {
      if (!lease->is_settling) expired.push_back(lease);
    }
  }
  return expired;
}

int64_t LeaseTable::count_of(HolderId holder) const {
  auto found = holders_.find(holder);
  return found == holders_.end() ? 0 : found->second.count;
}

int64_t LeaseTable::count_of(HolderId holder, const Queue* queue) const {
  auto found = holders_.find(holder);
  if (found == holders_.end()) return 0;
  auto by_queue = found->second.by_queue.find(queue);
  return by_queue == found->second.by_queue.end() ? 0 : by_queue->second;
}

absl::Time LeaseTable::oldest_of(HolderId holder) const {
  auto found = holders_.find(holder);
  if (found == holders_.end() || found->second.first == nullptr) return absl::InfiniteFuture();
  return found->second.first->start;
}

}  // namespace turnpike::spool
