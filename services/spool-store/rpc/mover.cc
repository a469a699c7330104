#include "services/spool-store/rpc/mover.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/common/observe/log.h"
#include "services/common/rpc/status.h"
#include "services/common/spooled/queue_text.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kAskTimeout = absl::Seconds(2);
constexpr absl::Duration kReleaseTimeout = absl::Seconds(5);
// How long a release may be on its way to all shards.
constexpr absl::Duration kReleaseSpread = absl::Minutes(2);
constexpr absl::string_view kForwarded =
    "moved:";  // what request ids of repeated releases begin with

// What an earlier process has moved may be as new as that.
std::map<uint32_t, absl::Time> UsedBefore(const MoveOut& out, absl::Time start) {
  std::map<uint32_t, absl::Time> used;
  for (const uint32_t target : out.Targets()) used[target] = start;
  return used;
}

}  // namespace

Mover::Mover(ShardStore& store, ShardPeers peers, const Options& options)
    : store_(store),
      out_(store.out()),
      options_(options),
      peers_(std::move(peers)),
      start_(absl::Now()),
      last_used_(UsedBefore(out_, start_)),
      thread_([this] { Run(); }) {}

void Mover::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  canceller_.CancelAll();
  if (thread_.joinable()) thread_.join();
}

void Mover::Post(Task task) {
  {
    absl::MutexLock lock(&mu_);
    if (!stopping_) {
      tasks_.push_back(std::move(task));
      return;
    }
  }
  std::move(task)(true);
}

std::string Mover::error() const {
  absl::MutexLock lock(&mu_);
  return error_;
}

void Mover::SetError(const std::string& error) {
  {
    absl::MutexLock lock(&mu_);
    if (error_ == error) return;
    error_ = error;
  }
  if (!error.empty()) {
    TURNPIKE_LOG(kWarning, "shard's mail cannot be moved", {{"error", error}});
  }
}

void Mover::SetDraining(bool draining, Store::Done<v1::Shard> done) {
  if (draining && store_.identity().shard == 0) {
    return std::move(done)(absl::FailedPreconditionError(
        "shard 0 keeps the state that the services share, and cannot be drained"));
  }
  Post([this, draining, done = std::move(done)](bool stopping) mutable {
    if (stopping) return std::move(done)(absl::UnavailableError("the spool is being shut down"));
    if (draining && !store_.is_draining()) {
      peers_.Refresh(kAskTimeout);
      if (!peers_.IsAnyAccepting()) {
        return std::move(done)(absl::FailedPreconditionError(
            absl::StrCat("no other shard takes mail: ", peers_.WhyNone())));
      }
    }
    absl::Notification answered;
    store_.SetDraining(draining, [&](absl::StatusOr<v1::Shard> shard) {
      std::move(done)(std::move(shard));
      answered.Notify();
    });
    answered.WaitForNotification();
  });
}

void Mover::AfterRelease(const v1::ReleaseQueueRequest& request,
                         absl::AnyInvocable<void(absl::Status)> done) {
  const bool is_moving = store_.is_draining() || out_.open_count() > 0;
  if (!is_moving || absl::StartsWith(request.request_id(), kForwarded)) {
    return std::move(done)(absl::OkStatus());
  }
  Post([this, request, done = std::move(done)](bool stopping) mutable {
    if (stopping) return std::move(done)(absl::UnavailableError("the spool is being shut down"));
    RefreshPeers();
    const absl::Time now = absl::Now();
    for (const auto& [target, used] : last_used_) {
      if (now - used < kReleaseSpread && peers_.IsReachable(target)) Release(target, request);
    }
    std::move(done)(absl::OkStatus());
  });
}

bool Mover::Release(uint32_t target, v1::ReleaseQueueRequest request) {
  request.set_request_id(absl::StrCat(kForwarded, request.request_id()));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kReleaseTimeout));
  const CallCanceller::Entry entry(canceller_, context);
  v1::ReleaseQueueResponse response;
  const absl::Status status =
      rpc::FromGrpc(peers_.spool(target).ReleaseQueue(&context, request, &response));
  if (status.ok()) return true;
  TURNPIKE_LOG(kWarning, "release does not reach mail that was moved",
               {{"queue", QueueText(request.queue())},
                {"shard", int64_t{target}},
                {"error", status.ToString()}});
  peers_.NoteAway(target, status);
  return false;
}

void Mover::Run() {
  absl::Duration wait = absl::ZeroDuration();
  while (true) {
    std::deque<Task> tasks;
    bool stopping = false;
    {
      absl::MutexLock lock(&mu_);
      mu_.AwaitWithTimeout(absl::Condition(this, &Mover::HasTask), wait);
      tasks.swap(tasks_);
      stopping = stopping_;
    }
    for (Task& task : tasks) std::move(task)(stopping);
    if (stopping) return;
    wait = Step();
  }
}

void Mover::RefreshPeers() {
  if (absl::Now() < next_refresh_) return;
  peers_.Refresh(kAskTimeout);
  next_refresh_ = absl::Now() + options_.refresh;
}

std::string Mover::AwayWithMail(uint32_t target) const {
  return absl::StrCat("shard ", target, " is away (", peers_.status(target).message(),
                      "), and has mail that is being moved");
}

absl::Duration Mover::Step() {
  if (!store_.is_draining() && out_.open_count() == 0) {
    SetError("");
    return absl::InfiniteDuration();
  }
  RefreshPeers();
  Round round;
  std::vector<Outgoing> batch = TakeBatch(round);
  if (batch.empty()) {
    Confirm(round);
  } else {
    Send(std::move(batch), round);
  }
  if (round.trouble.empty()) round.trouble = out_.LeftOut();
  SetError(round.trouble);
  store_.HoldBack(round.has_moved || round.trouble.empty());
  return round.has_moved ? absl::ZeroDuration() : options_.idle;
}

// First what was sent and not answered, and as long as that can be cleared up nothing else.
std::vector<Outgoing> Mover::TakeBatch(Round& round) {
  std::vector<Outgoing> batch;
  absl::btree_set<std::string> blocked;
  for (Outgoing& move : out_.Open()) {
    if (peers_.IsReachable(move.target)) {
      batch.push_back(std::move(move));
      continue;
    }
    blocked.insert(move.queue_key);
    round.trouble = peers_.IsKnown(move.target)
                        ? AwayWithMail(move.target)
                        : absl::StrCat("shard ", move.target,
                                       " has mail that is being moved, and is not in spool.shards");
  }
  if (blocked != blocked_) {
    out_.Rewind();  // what was passed over comes before what is behind it
    blocked_ = std::move(blocked);
  }
  if (!batch.empty() || !store_.is_draining()) return batch;
  if (absl::Now() < start_ + options_.start_delay) return batch;
  if (!peers_.IsAnyAccepting()) {
    if (out_.HasMore())
      round.trouble = absl::StrCat("no other shard takes mail: ", peers_.WhyNone());
    return batch;
  }
  absl::StatusOr<std::vector<Outgoing>> next =
      out_.Next([this](const std::string& queue_key) -> std::optional<uint32_t> {
        if (blocked_.contains(queue_key)) return std::nullopt;
        return peers_.Choose(queue_key);
      });
  if (next.ok()) return *std::move(next);
  round.trouble = std::string(next.status().message());
  return batch;
}

void Mover::Send(std::vector<Outgoing> batch, Round& round) {
  struct Part {
    std::vector<Outgoing> moves;
    uint64_t forget_below = 0;
    MoveAnswers answers;
  };
  std::map<uint32_t, Part> parts;
  for (Outgoing& move : batch) parts[move.target].moves.push_back(std::move(move));
  std::vector<std::thread> threads;
  for (auto& [target, part] : parts) {
    part.forget_below = out_.ForgetBelow(target);
    threads.emplace_back([this, &part, stub = &peers_.shard(target)] {
      part.answers =
          SendMoves(*stub, canceller_, out_, part.moves, store_.identity().id, part.forget_below);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<Outgoing> moved;
  std::vector<Outgoing> kept;
  for (const auto& [target, part] : parts) {
    Take(target, part.moves, part.answers, round, moved, kept);
  }
  const absl::Status finished = out_.Finish(moved, kept);
  if (finished.ok()) {
    round.has_moved = !moved.empty();
  } else {
    round.trouble = std::string(finished.message());
  }
}

void Mover::Take(uint32_t target, const std::vector<Outgoing>& moves, const MoveAnswers& answers,
                 Round& round, std::vector<Outgoing>& moved, std::vector<Outgoing>& kept) {
  last_used_[target] = absl::Now();
  if (!answers.status.ok()) {
    peers_.NoteAway(target, answers.status);
    round.trouble = absl::StrCat("shard ", target, ": ", answers.status.message());
  }
  for (const Outgoing& move : moves) {
    auto found = answers.results.find(move.number);
    if (found == answers.results.end()) continue;
    const v1::MoveResult& result = found->second;
    switch (result.outcome()) {
      case v1::MOVE_OUTCOME_STORED: {
        std::optional<v1::ReleaseQueueRequest> release;
        if (move.is_again) release = out_.ReleasedSince(move);
        if (!release.has_value() || Release(target, *release)) moved.push_back(move);
        break;
      }
      case v1::MOVE_OUTCOME_REFUSED:
        peers_.NoteRefusal(target);
        round.trouble = absl::StrCat("shard ", target, ": ", result.detail());
        kept.push_back(move);
        break;
      case v1::MOVE_OUTCOME_INVALID:
        out_.LeaveOut(move.delivery_id, result.detail());
        kept.push_back(move);
        break;
      default:
        // Unknown: asked again after the next refresh. The rest goes elsewhere meanwhile.
        peers_.NoteAway(target, absl::UnavailableError(result.detail()));
        round.trouble = AwayWithMail(target);
        break;
    }
  }
}

// Nothing is on its way: the targets may forget what they know of it.
void Mover::Confirm(Round& round) {
  for (const uint32_t target : out_.Targets()) {
    if (!peers_.IsReachable(target)) {
      if (round.trouble.empty()) {
        round.trouble = absl::StrCat("shard ", target, " has yet to confirm what was moved to it");
      }
      continue;
    }
    const MoveAnswers answers = SendMoves(peers_.shard(target), canceller_, out_, {},
                                          store_.identity().id, out_.ForgetBelow(target));
    absl::Status status = answers.status;
    if (status.ok()) status = out_.Forgotten(target, answers.forgotten_below);
    if (!status.ok()) {
      peers_.NoteAway(target, status);
      round.trouble = absl::StrCat("shard ", target, ": ", status.message());
    }
  }
}

}  // namespace turnpike::spool
