#include "services/outbound-delivery/core/pauses.h"

#include <algorithm>

namespace turnpike::delivery {

void Pauses::Change(const spool::v1::QueueName& queue, const std::function<void(Entry&)>& change,
                    PauseChanges* changes) {
  const auto [it, is_new] = entries_.try_emplace(KeyOf(queue));
  if (is_new) it->second.queue = queue;
  change(it->second);
  if (!it->second.is_needed()) {
    entries_.erase(it);
    if (!is_new) changes->resume.push_back(queue);
  } else if (is_new) {
    changes->pause.push_back(queue);
  }
}

void Pauses::AddStalled(const spool::v1::QueueName& queue, PauseChanges* changes) {
  Change(
      queue, [](Entry& entry) { ++entry.stalled; }, changes);
}

void Pauses::RemoveStalled(const spool::v1::QueueName& queue, PauseChanges* changes) {
  Change(
      queue, [](Entry& entry) { entry.stalled = std::max(0, entry.stalled - 1); }, changes);
}

void Pauses::AddRoundWait(const spool::v1::QueueName& queue, PauseChanges* changes) {
  Change(
      queue, [](Entry& entry) { entry.waits_for_round = true; }, changes);
}

void Pauses::EndRoundWait(PauseChanges* changes) {
  for (const spool::v1::QueueName& queue : All()) {
    Change(
        queue, [](Entry& entry) { entry.waits_for_round = false; }, changes);
  }
}

void Pauses::SetSuspended(const std::vector<spool::v1::QueueName>& queues, PauseChanges* changes) {
  std::map<Key, spool::v1::QueueName> suspended;
  for (const spool::v1::QueueName& queue : queues) suspended.emplace(KeyOf(queue), queue);
  for (const spool::v1::QueueName& queue : All()) {
    if (suspended.contains(KeyOf(queue))) continue;
    Change(
        queue, [](Entry& entry) { entry.is_suspended = false; }, changes);
  }
  for (const auto& [key, queue] : suspended) {
    Change(
        queue, [](Entry& entry) { entry.is_suspended = true; }, changes);
  }
}

bool Pauses::IsSuspended(const spool::v1::QueueName& queue) const {
  const auto it = entries_.find(KeyOf(queue));
  return it != entries_.end() && it->second.is_suspended;
}

std::vector<spool::v1::QueueName> Pauses::All() const {
  std::vector<spool::v1::QueueName> all;
  all.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) all.push_back(entry.queue);
  return all;
}

}  // namespace turnpike::delivery
