#include "services/outbound-delivery/core/dispatcher.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {
namespace {

std::string KeyOf(const spool::v1::QueueName& queue, const RoutePlan& plan) {
  return absl::StrCat(queue.name(), "|", queue.kind(), "|", static_cast<int>(plan.target), "|",
                      static_cast<int>(plan.kind), "|", plan.name, "|", plan.port, "|",
                      plan.is_lmtp, "|", plan.is_trusted);
}

}  // namespace

void Dispatcher::Add(WorkPtr work, const RoutePlan& plan, absl::Time now, Actions* actions) {
  std::string key = KeyOf(work->delivery.queue(), plan);
  std::unique_ptr<Destination>& slot = destinations_[key];
  if (slot == nullptr) {
    slot = std::make_unique<Destination>();
    slot->key = std::move(key);
    slot->queue = work->delivery.queue();
    slot->plan = plan;
  }
  Destination& destination = *slot;
  if (now < destination.backoff_until && destination.ready == 0 && destination.opening == 0) {
    actions->fail.emplace_back(std::move(work), *destination.last_failure);
    return;
  }
  waiting_by_id_[work->id()] = &destination;
  destination.waiting.push_back(std::move(work));
  Supply(destination, now, actions);
}

WorkPtr Dispatcher::Take(SessionId id) {
  Session& session = Find(id);
  Destination& destination = *session.destination;
  SetArriving(session, false);
  if (destination.waiting.empty()) {
    destination.idle.push_back(id);
    return nullptr;
  }
  WorkPtr work = std::move(destination.waiting.front());
  destination.waiting.pop_front();
  waiting_by_id_.erase(work->id());
  return work;
}

bool Dispatcher::EndIdle(SessionId session) {
  std::vector<SessionId>& idle = Find(session).destination->idle;
  const auto it = std::find(idle.begin(), idle.end(), session);
  if (it == idle.end()) return false;
  idle.erase(it);
  return true;
}

void Dispatcher::OnSessionReady(SessionId id, absl::Time now, Actions* actions) {
  Session& session = Find(id);
  Destination& destination = *session.destination;
  SetArriving(session, true);
  --destination.opening;
  ++destination.ready;
  if (now >= destination.pause_until) {
    destination.window = std::min(destination.window * 2, options_.sessions_per_destination_max);
  }
  destination.backoff_until = absl::InfinitePast();
  Supply(destination, now, actions);
}

void Dispatcher::OnSessionFailed(SessionId session, const Failure& failure, absl::Time now,
                                 Actions* actions) {
  Destination& destination = *Find(session).destination;
  sessions_.erase(session);
  --destination.opening;
  destination.last_failure = failure;
  destination.last_failure_time = now;
  if (destination.ready + destination.opening == 0) {
    FailAll(destination, failure, now, actions);
    return;
  }
  // The others can do it; the host may not want so many.
  destination.window = std::max<size_t>(1, destination.ready + destination.opening);
  destination.pause_until = now + options_.growth_pause;
  Supply(destination, now, actions);
}

void Dispatcher::OnSessionEnded(SessionId session, const std::optional<Failure>& failure,
                                absl::Time now, Actions* actions) {
  Session& ended = Find(session);
  Destination& destination = *ended.destination;
  SetArriving(ended, false);
  sessions_.erase(session);
  --destination.ready;
  if (!failure) {
    destination.useless_sessions = 0;
  } else {
    destination.last_failure = failure;
    destination.last_failure_time = now;
    ++destination.useless_sessions;
    if (destination.useless_sessions >= options_.useless_sessions_max &&
        destination.ready + destination.opening == 0) {
      FailAll(destination, *failure, now, actions);
      return;
    }
  }
  Supply(destination, now, actions);
}

void Dispatcher::Requeue(SessionId session, WorkPtr work, absl::Time now, Actions* actions) {
  Destination& destination = *Find(session).destination;
  waiting_by_id_[work->id()] = &destination;
  destination.waiting.push_front(std::move(work));
  Supply(destination, now, actions);
}

WorkPtr Dispatcher::Remove(uint64_t delivery_id) {
  const auto found = waiting_by_id_.find(delivery_id);
  if (found == waiting_by_id_.end()) return nullptr;
  std::deque<WorkPtr>& waiting = found->second->waiting;
  waiting_by_id_.erase(found);
  const auto it = std::find_if(waiting.begin(), waiting.end(),
                               [&](const WorkPtr& work) { return work->id() == delivery_id; });
  WorkPtr work = std::move(*it);
  waiting.erase(it);
  return work;
}

std::vector<WorkPtr> Dispatcher::RemoveAll() {
  std::vector<WorkPtr> all;
  all.reserve(waiting_by_id_.size());
  for (auto& [key, destination] : destinations_) {
    for (WorkPtr& work : destination->waiting) all.push_back(std::move(work));
    destination->waiting.clear();
  }
  waiting_by_id_.clear();
  return all;
}

void Dispatcher::Sweep(absl::Time now, Actions* actions) {
  for (auto it = destinations_.begin(); it != destinations_.end();) {
    Destination& destination = *it->second;
    if (destination.ready == 0 && destination.opening > 0 &&
        now - destination.opening_since > options_.slow_after) {
      FailFrom(destination, options_.slow_waiting_max, {.reply = kSlowDestination}, actions);
    }
    const bool is_unused = destination.waiting.empty() && destination.opening == 0 &&
                           destination.ready == 0 && now >= destination.backoff_until &&
                           now >= destination.pause_until;
    it = is_unused ? destinations_.erase(it) : std::next(it);
  }
}

void Dispatcher::Visit(const std::string& after,
                       const std::function<bool(const DestinationView&)>& visit) const {
  for (auto it = destinations_.upper_bound(after); it != destinations_.end(); ++it) {
    const Destination& destination = *it->second;
    const bool goes_on = visit({.key = destination.key,
                                .queue = destination.queue,
                                .sessions = destination.ready + destination.opening,
                                .waiting = destination.waiting.size(),
                                .last_failure = destination.last_failure,
                                .last_failure_time = destination.last_failure_time});
    if (!goes_on) return;
  }
}

std::vector<SessionId> Dispatcher::IdleSessions() const {
  std::vector<SessionId> all;
  for (const auto& [key, destination] : destinations_) {
    all.insert(all.end(), destination->idle.begin(), destination->idle.end());
  }
  return all;
}

Dispatcher::Session& Dispatcher::Find(SessionId session) {
  const auto it = sessions_.find(session);
  TURNPIKE_CHECK(it != sessions_.end());
  return it->second;
}

void Dispatcher::SetArriving(Session& session, bool is_arriving) {
  if (session.is_arriving == is_arriving) return;
  session.is_arriving = is_arriving;
  session.destination->arriving += is_arriving ? 1 : -1;
}

void Dispatcher::Supply(Destination& destination, absl::Time now, Actions* actions) {
  size_t needed = destination.waiting.size();
  needed -= std::min(needed, destination.arriving);
  while (needed > 0 && !destination.idle.empty()) {
    // The one that was used last: the others may come to their end.
    const SessionId session = destination.idle.back();
    SetArriving(Find(session), true);
    actions->wake.push_back(session);
    destination.idle.pop_back();
    --needed;
  }
  needed -= std::min(needed, destination.opening);
  // As long as nobody knows whether the destination is there, one session finds out.
  const size_t sessions_max = destination.ready == 0 ? 1 : destination.window;
  size_t sessions = destination.ready + destination.opening;
  for (; needed > 0 && sessions < sessions_max; --needed, ++sessions) {
    if (destination.ready == 0) destination.opening_since = now;
    const SessionId session = next_session_++;
    sessions_[session] = {.destination = &destination};
    ++destination.opening;
    actions->open.push_back({.session = session, .plan = destination.plan});
  }
}

void Dispatcher::FailAll(Destination& destination, const Failure& failure, absl::Time now,
                         Actions* actions) {
  destination.window = 1;
  destination.useless_sessions = 0;
  destination.last_failure = failure;
  destination.last_failure_time = now;
  if (failure.reply.is_transient() && destination.plan.kind != RoutePlan::Kind::kGateway) {
    destination.backoff_until = now + options_.backoff;
  }
  FailFrom(destination, 0, failure, actions);
}

void Dispatcher::FailFrom(Destination& destination, size_t keep, const Failure& failure,
                          Actions* actions) {
  while (destination.waiting.size() > keep) {
    WorkPtr work = std::move(destination.waiting.back());
    destination.waiting.pop_back();
    waiting_by_id_.erase(work->id());
    actions->fail.emplace_back(std::move(work), failure);
  }
}

}  // namespace turnpike::delivery
