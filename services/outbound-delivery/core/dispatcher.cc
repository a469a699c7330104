#include "services/outbound-delivery/core/dispatcher.h"

#include <algorithm>

#include "services/common/base/check.h"
#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {
namespace {

constexpr int kWaitsAveraged = 8;

}  // namespace

std::vector<WorkPtr> Dispatcher::Restart(const Options& options, Actions* actions) {
  options_ = options;
  std::vector<WorkPtr> removed = RemoveAll();
  for (auto& [key, destination] : destinations_) {
    if (destination->is_stalled) EndStall(*destination, actions);
    Resume(*destination, actions);
  }
  return removed;
}

void Dispatcher::Add(WorkPtr work, const RoutePlan& plan, absl::Time now, Actions* actions) {
  work->fallback = plan.fallback;
  work->revision = plan.revision;
  const spool::v1::QueueName& queue = work->delivery.queue();
  std::string key = plan.KeyFor(queue);
  std::unique_ptr<Destination>& slot = destinations_[key];
  if (slot == nullptr) {
    slot = std::make_unique<Destination>();
    slot->key = std::move(key);
    slot->limit_key = plan.LimitKeyFor(queue);
    RoutePlan common = plan;
    common.fallback = nullptr;  // these are each delivery's own
    common.retry = nullptr;
    slot->plan = std::make_shared<const RoutePlan>(std::move(common));
    slot->progress_time = now;
    if (plan.is_shared()) {
      slot->queue.set_name(plan.name);
    } else {
      slot->queue = queue;
    }
  }
  Destination& destination = *slot;
  if (now < destination.backoff_until && destination.ready == 0 && destination.opening == 0) {
    FailOne(std::move(work), destination, *destination.last_failure, now, actions);
    return;
  }
  if (destination.is_stalled || destination.waiting.size() >= options_.waiting_max) {
    PutOff(std::move(work), destination, now, actions);
    return;
  }
  if (destination.waiting.empty()) destination.progress_time = now;
  waiting_by_id_[work->id()] = &destination;
  destination.waiting.push_back(std::move(work));
  Supply(destination, actions);
}

WorkPtr Dispatcher::Take(SessionId id, absl::Time now, Actions* actions) {
  Session& session = Find(id);
  Destination& destination = *session.destination;
  SetArriving(session, false);
  if (std::exchange(session.has_taken, false) && now >= destination.pause_until) {
    destination.window = std::min(destination.window + 1, destination.plan->connections_max);
  }
  destination.progress_time = now;
  if (destination.is_stalled && destination.waiting.size() <= 1) EndStall(destination, actions);
  if (destination.waiting.empty() || destination.busy() > destination.window) {
    destination.idle.push_back(id);
    return nullptr;
  }
  session.has_taken = true;
  WorkPtr work = std::move(destination.waiting.front());
  destination.waiting.pop_front();
  waiting_by_id_.erase(work->id());
  if (destination.waiting.size() <= options_.waiting_max / 2) Resume(destination, actions);
  Supply(destination, actions);
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
  if (destination.ready == 0 && (destination.is_stalled || !destination.waiting.empty())) {
    usual_wait_ += (now - destination.progress_time - usual_wait_) / kWaitsAveraged;
  }
  SetArriving(session, true);
  --destination.opening;
  ++destination.ready;
  destination.backoff_until = absl::InfinitePast();
  if (destination.is_stalled) EndStall(destination, actions);
  Supply(destination, actions);
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
  Supply(destination, actions);
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
  if (destination.is_stalled && destination.ready + destination.opening == 0) {
    EndStall(destination, actions);
  }
  Supply(destination, actions);
}

void Dispatcher::OnThrottled(SessionId id, absl::Time now) {
  Session& session = Find(id);
  session.has_taken = false;
  Destination& destination = *session.destination;
  // One halving for all that the same burst has brought upon us.
  if (now + options_.growth_pause <= destination.pause_until + absl::Seconds(1)) return;
  destination.window = std::max<size_t>(1, std::min(destination.window, destination.busy()) / 2);
  destination.pause_until = now + options_.growth_pause;
}

void Dispatcher::Requeue(SessionId session, WorkPtr work, Actions* actions) {
  Session& from = Find(session);
  from.has_taken = false;
  Destination& destination = *from.destination;
  waiting_by_id_[work->id()] = &destination;
  destination.waiting.push_front(std::move(work));
  Supply(destination, actions);
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
  return RemoveIf([](const Work&) { return true; });
}

std::vector<WorkPtr> Dispatcher::RemoveIf(const std::function<bool(const Work&)>& is_meant) {
  std::vector<WorkPtr> removed;
  for (auto& [key, destination] : destinations_) {
    std::deque<WorkPtr> kept;
    for (WorkPtr& work : destination->waiting) {
      if (is_meant(*work)) {
        waiting_by_id_.erase(work->id());
        removed.push_back(std::move(work));
      } else {
        kept.push_back(std::move(work));
      }
    }
    destination->waiting = std::move(kept);
  }
  return removed;
}

void Dispatcher::Sweep(absl::Time now, Actions* actions) {
  const absl::Duration stalled_after = StalledAfter();
  for (auto it = destinations_.begin(); it != destinations_.end();) {
    Destination& destination = *it->second;
    const bool has_stalled =
        !destination.waiting.empty() && now - destination.progress_time > stalled_after;
    if (has_stalled && !destination.is_stalled) Stall(destination, now, actions);
    const bool is_unused = destination.waiting.empty() && destination.opening == 0 &&
                           destination.ready == 0 && now >= destination.backoff_until &&
                           now >= destination.pause_until;
    if (!is_unused) {
      ++it;
      continue;
    }
    if (destination.is_stalled) EndStall(destination, actions);
    Resume(destination, actions);
    it = destinations_.erase(it);
  }
}

absl::Duration Dispatcher::StalledAfter() const {
  return std::max(options_.stalled_after, std::min(3 * usual_wait_, options_.stalled_after_max));
}

void Dispatcher::Stall(Destination& destination, absl::Time now, Actions* actions) {
  const bool has_sessions = destination.ready + destination.opening > 0;
  destination.is_stalled = has_sessions && stalled_count_ < options_.stalled_max;
  if (destination.is_stalled) ++stalled_count_;
  // What its sessions take next stays, so that a host that is only slow need not wait for the
  // store.
  const size_t kept = destination.ready > 0 ? destination.window : 0;
  while (destination.waiting.size() > kept) {
    WorkPtr work = std::move(destination.waiting.back());
    destination.waiting.pop_back();
    waiting_by_id_.erase(work->id());
    PutOff(std::move(work), destination, now, actions);
  }
}

void Dispatcher::EndStall(Destination& destination, Actions* actions) {
  destination.is_stalled = false;
  --stalled_count_;
  Resume(destination, actions);
}

void Dispatcher::PutOff(WorkPtr work, Destination& destination, absl::Time now, Actions* actions) {
  const spool::v1::QueueName& queue = work->delivery.queue();
  const std::pair<int, std::string> key(queue.kind(), queue.name());
  const bool is_paused = destination.paused.contains(key);
  // A queue is paused where that can end.
  const bool may_be_paused =
      is_paused ||
      ((destination.is_stalled || destination.waiting.size() >= options_.waiting_max) &&
       paused_count_ < options_.paused_max);
  if (!may_be_paused || !work->so_far.outcomes.empty()) {
    // What a host has answered already must be recorded.
    FailOne(std::move(work), destination, {.reply = kSlowDestination, .is_untried = true}, now,
            actions);
    return;
  }
  if (!is_paused) {
    destination.paused.emplace(key, queue);
    ++paused_count_;
    actions->pause.push_back(queue);
  }
  actions->hand_back.push_back(std::move(work));
}

void Dispatcher::Resume(Destination& destination, Actions* actions) {
  if (destination.is_stalled) return;
  for (auto& [key, queue] : destination.paused) actions->resume.push_back(queue);
  paused_count_ -= destination.paused.size();
  destination.paused.clear();
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

void Dispatcher::Supply(Destination& destination, Actions* actions) {
  size_t needed = destination.waiting.size();
  needed -= std::min(needed, destination.arriving);
  while (needed > 0 && !destination.idle.empty() && destination.busy() < destination.window) {
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
    const SessionId session = next_session_++;
    sessions_[session] = {.destination = &destination};
    ++destination.opening;
    actions->open.push_back(
        {.session = session, .plan = destination.plan, .limit_key = destination.limit_key});
  }
}

void Dispatcher::FailAll(Destination& destination, const Failure& failure, absl::Time now,
                         Actions* actions) {
  destination.window = 1;
  destination.useless_sessions = 0;
  destination.last_failure = failure;
  destination.last_failure_time = now;
  if (failure.reply.is_transient() && destination.plan->kind != RoutePlan::Kind::kGateway) {
    destination.backoff_until = now + options_.backoff;
  }
  std::deque<WorkPtr> failed = std::move(destination.waiting);
  destination.waiting.clear();
  for (WorkPtr& work : failed) {
    waiting_by_id_.erase(work->id());
    FailOne(std::move(work), destination, failure, now, actions);
  }
  if (destination.is_stalled) EndStall(destination, actions);
  Resume(destination, actions);
}

void Dispatcher::FailOne(WorkPtr work, const Destination& destination, const Failure& failure,
                         absl::Time now, Actions* actions) {
  // In the same attempt (DL-3). What a host has refused has been answered.
  if (failure.is_unreachable && work->fallback != nullptr && work->so_far.outcomes.empty()) {
    const RoutePlanPtr fallback = std::move(work->fallback);
    ++actions->fallbacks;
    Add(std::move(work), *fallback, now, actions);
    return;
  }
  actions->fail.push_back({.work = std::move(work), .plan = destination.plan, .failure = failure});
}

}  // namespace turnpike::delivery
