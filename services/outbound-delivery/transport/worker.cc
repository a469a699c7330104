#include "services/outbound-delivery/transport/worker.h"

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <utility>

#include "services/common/observe/log.h"
#include "services/outbound-delivery/core/failures.h"
#include "services/outbound-delivery/core/mx.h"
#include "services/spool-store/client/shard_id.h"

namespace turnpike::delivery {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr absl::Duration kSweepInterval = absl::Seconds(1);
constexpr absl::Duration kReopenDelayMin = absl::Milliseconds(50);
constexpr absl::Duration kReopenDelayMax = absl::Seconds(2);
// A stream that lived so long was a good one, and one that lives so long counts as open.
constexpr absl::Duration kGoodStreamTime = absl::Milliseconds(300);
// After the connections were cut: for the outcomes to be recorded.
constexpr absl::Duration kLastSettlements = absl::Seconds(2);

smtp::Reply FromProto(const mail::v1::Reply& reply) {
  return smtp::Reply(
      static_cast<uint16_t>(reply.code()),
      smtp::EnhancedCode::Parse(reply.enhanced_code()).value_or(smtp::EnhancedCode()),
      reply.text());
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration out;
  out.set_seconds(absl::ToInt64Seconds(duration));
  out.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(out.seconds()))));
  return out;
}

// A notification about such a message need not be protected as it was [RFC8689 5], and a mailbox
// server is the end of the way.
bool RequiresTls(const spool::v1::LeasedDelivery& delivery, const RoutePlan& plan) {
  const mail::v1::Envelope& envelope = delivery.envelope();
  return envelope.require_tls() && !envelope.return_path().empty() &&
         plan.kind != RoutePlan::Kind::kLocal;
}

}  // namespace

// Passes the stream's reports on while the worker lives.
class Worker::LeaseHandler : public spool::LeaseStream::Handler {
 public:
  LeaseHandler(Worker* worker, uint64_t stream) : worker_(worker), stream_(stream) {}

  void OnLeased(spool::v1::LeaseResponse response) override {
    worker_->OnLeased(stream_, std::move(response));
  }
  void OnShardLost(uint32_t shard, const absl::Status& status) override {
    worker_->OnShardLost(stream_, shard, status);
  }
  void OnClosed(absl::Status status) override { worker_->OnLeaseClosed(stream_, status); }

 private:
  Worker* const worker_;
  const uint64_t stream_;
};

// Calls Tick again and again, until it is stopped.
class Worker::Ticker : public std::enable_shared_from_this<Worker::Ticker> {
 public:
  Ticker(Worker* worker, asio::io_context& context)
      : worker_(worker), context_(context), timer_(context) {}

  void Start() {
    asio::post(context_, [self = shared_from_this()] { self->Run(); });
  }
  // No Tick runs when this returns, nor later. Not from the context's thread.
  void Stop() {
    absl::MutexLock lock(&mu_);
    is_stopped_ = true;
  }

 private:
  void Run() {
    {
      absl::MutexLock lock(&mu_);
      if (is_stopped_) return;
      worker_->Tick();
    }
    timer_.expires_after(absl::ToChronoMilliseconds(kTick));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->Run();
    });
  }

  Worker* const worker_;
  asio::io_context& context_;
  asio::steady_timer timer_;
  absl::Mutex mu_;
  bool is_stopped_ ABSL_GUARDED_BY(mu_) = false;
};

Worker::Worker(std::shared_ptr<const Settings> settings, const Environment& environment)
    : environment_(environment),
      spool_(*environment.spool),
      threads_(*environment.threads),
      metrics_(*environment.metrics),
      clock_(*environment.clock),
      settler_(
          settings->settler, spool_, metrics_, clock_,
          [this](const Work& work) { return TokenOf(work); },
          [this](const WorkPtr& work, const spool::v1::LeaseToken& token) {
            OnSettled(work, token);
          }),
      settings_(std::move(settings)),
      session_environment_(MakeSessionEnvironment(*settings_)),
      dispatcher_(settings_->options.dispatcher),
      rounds_(settings_->options.round, clock_.Now()),
      reopen_delay_(kReopenDelayMin),
      ticker_(std::make_shared<Ticker>(this, threads_.context(0))) {}

Worker::~Worker() {
  if (ticker_ != nullptr) ticker_->Stop();
}

void Worker::Start() { ticker_->Start(); }

bool Worker::is_connected() const {
  absl::MutexLock lock(&mu_);
  return lease_ != nullptr && clock_.Now() - opened_time_ > kGoodStreamTime;
}

bool Worker::has_ended(uint64_t revision) const {
  absl::MutexLock lock(&mu_);
  return is_draining_ || revision != settings_->revision;
}

// --- Settings ---

std::shared_ptr<const Session::Environment> Worker::MakeSessionEnvironment(
    const Settings& settings) {
  return std::make_shared<const Session::Environment>(
      Session::Environment{.options = settings.options.session,
                           .owner = this,
                           .connector = settings.connector,
                           .spool = environment_.spool,
                           .slots = environment_.slots,
                           .metrics = environment_.metrics,
                           .clock = environment_.clock});
}

std::shared_ptr<const Worker::Settings> Worker::settings() const {
  absl::MutexLock lock(&mu_);
  return settings_;
}

void Worker::Reconfigure(std::shared_ptr<const Settings> settings) {
  settler_.SetOptions(settings->settler);
  Actions actions;
  std::vector<WorkPtr> unfinished;
  {
    absl::MutexLock lock(&mu_);
    const Options& options = settings->options;
    for (WorkPtr& work : dispatcher_.Restart(options.dispatcher, &actions)) {
      if (work->so_far.outcomes.empty()) {
        HandBack(work);
      } else {
        unfinished.push_back(std::move(work));
      }
    }
    actions.wake = dispatcher_.IdleSessions();  // so that they end
    if (rounds_.interval() != options.round) {
      rounds_ = Rounds(options.round, clock_.Now());
      PauseChanges changes;
      pauses_.EndRoundWait(&changes);
      Absorb(std::move(changes));
    }
    if (settings_->options.leases_per_queue_max != options.leases_per_queue_max) {
      reopens_when_idle_ = true;
    }
    session_environment_ = MakeSessionEnvironment(*settings);
    settings_ = std::move(settings);
    Absorb(&actions);
  }
  for (const WorkPtr& work : unfinished) SettleUnfinished(work);
  Perform(std::move(actions));
}

void Worker::ReopenLease(absl::Time now) {
  reopens_when_idle_ = false;
  lease_commands_.clear();
  ended_lease_ = std::move(lease_);
  lease_ = nullptr;
  credit_ = 0;
  ++stream_number_;  // what the old one still reports goes back to the store with its end
  reopen_time_ = now;
}

// --- The lease stream ---

void Worker::Tick() {
  const absl::Time now = clock_.Now();
  Actions actions;
  bool opens = false;
  bool sweeps = false;
  bool has_gateways = false;
  std::shared_ptr<spool::LeaseStream> ended;
  {
    absl::MutexLock lock(&mu_);
    if (reopens_when_idle_ && lease_ != nullptr && works_.empty() && !is_draining_) {
      ReopenLease(now);
    }
    ended = std::move(ended_lease_);
    opens = lease_ == nullptr && !is_draining_ && now >= reopen_time_;
    has_gateways = settings_->options.has_gateways;
    if (is_store_away_ && lease_ != nullptr && now - opened_time_ > kGoodStreamTime) {
      is_store_away_ = false;
      TURNPIKE_LOG(kInfo, "spool-store is back");
    }
    if (now >= sweep_time_) {
      sweeps = true;
      sweep_time_ = now + kSweepInterval;
      dispatcher_.Sweep(now, &actions);
      metrics_.queues_paused->Set(static_cast<double>(pauses_.size()));
      metrics_.destinations_stalled->Set(static_cast<double>(dispatcher_.stalled_count()));
      metrics_.leases_held->Set(static_cast<double>(works_.size()));
      metrics_.destinations_waiting->Set(static_cast<double>(dispatcher_.waiting()));
    }
    if (rounds_.TakeBeginning(now)) {
      PauseChanges changes;
      pauses_.EndRoundWait(&changes);
      Absorb(std::move(changes));
    }
    Absorb(&actions);
  }
  ended.reset();
  if (opens) OpenLease();
  if (sweeps) RenewLeases(now);
  if (sweeps && has_gateways) {
    environment_.suspended->Refresh(
        [this](const std::vector<spool::v1::QueueName>& queues) { SetSuspended(queues); });
  }
  Perform(std::move(actions));
}

void Worker::OpenLease() {
  spool::v1::LeaseOpen open;
  uint64_t number;
  {
    absl::MutexLock lock(&mu_);
    const Options& options = settings_->options;
    open.set_worker(options.name);
    *open.mutable_lease_duration() = ToProto(options.lease_duration);
    open.mutable_due()->set_deliveries_per_queue_max(options.leases_per_queue_max);
    for (spool::v1::QueueName& queue : pauses_.All()) {
      *open.mutable_due()->add_paused() = std::move(queue);
    }
    lease_commands_.clear();  // of an earlier stream
    number = ++stream_number_;
    opened_time_ = clock_.Now();
    reopen_time_ = absl::InfiniteFuture();  // until this one has ended
  }
  auto handler = std::make_shared<LeaseHandler>(this, number);
  std::shared_ptr<spool::LeaseStream> stream = spool_.OpenLease(std::move(open), handler);
  int credit = 0;
  {
    absl::MutexLock lock(&mu_);
    if (reopen_time_ != absl::InfiniteFuture()) {
      ended_lease_ = std::move(stream);  // it has ended already
      return;
    }
    lease_ = stream;
    credit_ = 0;
    credit = TakeCredit();
  }
  if (credit > 0) stream->AddCredit(credit);
}

void Worker::OnLeased(uint64_t stream, spool::v1::LeaseResponse response) {
  const absl::Time now = clock_.Now();
  Actions actions;
  std::vector<std::pair<WorkPtr, AttemptReport>> decided;
  std::vector<WorkPtr> unfinished;
  std::vector<spool::v1::LeaseToken> unwanted;
  std::shared_ptr<spool::LeaseStream> lease;
  int credit = 0;
  {
    absl::MutexLock lock(&mu_);
    if (stream != stream_number_) return;
    lease = lease_;
    credit_ = std::max<int64_t>(0, credit_ - response.deliveries_size());
    for (spool::v1::LeasedDelivery& delivery : *response.mutable_deliveries()) {
      if (is_draining_) {
        unwanted.push_back(delivery.token());
      } else {
        AddWork(std::move(delivery), now, &actions, &decided);
      }
    }
    for (const spool::v1::LeaseToken& token : response.revoked()) {
      // What is on a connection goes on; its settlement finds out.
      const auto it = works_.find(token.delivery_id());
      if (it == works_.end() || it->second->token.fence() != token.fence()) continue;
      it->second->has_lease = false;
      WorkPtr work = dispatcher_.Remove(token.delivery_id());
      if (work == nullptr) continue;
      if (work->so_far.outcomes.empty()) {
        works_.erase(it);
      } else {
        unfinished.push_back(std::move(work));
      }
    }
    Absorb(&actions);
    credit = TakeCredit();
  }
  if (lease != nullptr) {
    for (const spool::v1::LeaseToken& token : unwanted) lease->HandBack(token);
    if (credit > 0) lease->AddCredit(credit);
  }
  for (auto& [work, report] : decided) settler_.Settle(work, std::move(report));
  for (const WorkPtr& work : unfinished) SettleUnfinished(work);
  Perform(std::move(actions));
}

void Worker::AddWork(spool::v1::LeasedDelivery delivery, absl::Time now, Actions* actions,
                     std::vector<std::pair<WorkPtr, AttemptReport>>* decided) {
  WorkPtr& slot = works_[delivery.token().delivery_id()];
  if (slot != nullptr) {
    // Still on a connection, or being settled, under a lease that is over.
    slot->token = delivery.token();
    slot->renewed_time = now;
    slot->has_lease = true;
    return;
  }
  slot = std::make_shared<Work>();
  WorkPtr work = slot;
  work->token = delivery.token();
  work->leased_time = now;
  work->renewed_time = now;
  work->delivery = std::move(delivery);
  const RouteTable& routes = *settings_->routes;
  work->retry = routes.default_retry();
  const spool::v1::QueueName& queue = work->delivery.queue();
  smtp::ReplyOr<RoutePlan> plan =
      routes.PlanFor(queue, work->delivery.route(), SenderOf(work->delivery));
  if (plan.ok()) work->retry = plan->retry;
  if (plan.ok() && RequiresTls(work->delivery, *plan)) plan = plan->RequiringTls();
  const bool is_early = plan.ok() && plan->kind != RoutePlan::Kind::kLocal &&
                        !work->delivery.has_return_reply() && !rounds_.MayGo(work->delivery, now);
  // More queues than can be paused wait by their own times.
  const bool is_put_off = is_early && pauses_.size() >= spool::kPausedQueuesMax;
  if (work->delivery.has_return_reply() || !plan.ok() || is_put_off) {
    const smtp::Reply reply = work->delivery.has_return_reply()
                                  ? FromProto(work->delivery.return_reply())
                              : plan.ok() ? smtp::Reply(kWaitsForRound)
                                          : plan.reply();
    AttemptReport report;
    report.plan = std::make_shared<const RoutePlan>(plan.ok() ? *plan : RoutePlan());
    report.attempt =
        Attempt::OfAll(work->recipient_count(),
                       {.disposition = reply.is_permanent() ? smtp::Disposition::kPermanentFailure
                                                            : smtp::Disposition::kTransientFailure,
                        .stage = smtp::Stage::kLocal,
                        .reply = reply},
                       {});
    decided->emplace_back(std::move(work), std::move(report));
    return;
  }
  PauseChanges changes;
  const bool is_suspended = pauses_.IsSuspended(queue);
  if (is_early) pauses_.AddRoundWait(queue, &changes);
  if (is_suspended || is_early) {
    Absorb(std::move(changes));
    HandBack(work);
    return;
  }
  dispatcher_.Add(std::move(work), *plan, now, actions);
}

void Worker::SetSuspended(const std::vector<spool::v1::QueueName>& queues) {
  {
    absl::MutexLock lock(&mu_);
    PauseChanges changes;
    pauses_.SetSuspended(queues, &changes);
    const bool has_new = !changes.pause.empty();
    Absorb(std::move(changes));
    if (has_new && lease_ != nullptr) {
      const auto is_meant = [this](const Work& work) {
        mu_.AssertHeld();
        return work.so_far.outcomes.empty() && pauses_.IsSuspended(work.delivery.queue());
      };
      for (const WorkPtr& work : dispatcher_.RemoveIf(is_meant)) HandBack(work);
    }
  }
  TellLeaseStream();
}

void Worker::HandBack(const WorkPtr& work) {
  metrics_.handed_back->Increment();
  lease_commands_.push_back({.kind = LeaseCommand::Kind::kHandBack, .token = work->token});
  works_.erase(work->id());
}

void Worker::Absorb(PauseChanges changes) {
  for (spool::v1::QueueName& queue : changes.pause) {
    lease_commands_.push_back({.kind = LeaseCommand::Kind::kPause, .queue = std::move(queue)});
  }
  for (spool::v1::QueueName& queue : changes.resume) {
    lease_commands_.push_back({.kind = LeaseCommand::Kind::kResume, .queue = std::move(queue)});
  }
}

void Worker::Absorb(Actions* actions) {
  PauseChanges changes;
  for (const spool::v1::QueueName& queue : actions->pause) pauses_.AddStalled(queue, &changes);
  for (const spool::v1::QueueName& queue : actions->resume) pauses_.RemoveStalled(queue, &changes);
  Absorb(std::move(changes));
  for (const WorkPtr& work : actions->hand_back) HandBack(work);
  if (actions->fallbacks > 0) {
    metrics_.fallbacks->Increment(static_cast<double>(actions->fallbacks));
  }
  actions->tells_lease_stream = !lease_commands_.empty();
}

void Worker::TellLeaseStream() {
  while (true) {
    std::vector<LeaseCommand> commands;
    std::shared_ptr<spool::LeaseStream> lease;
    {
      absl::MutexLock lock(&mu_);
      if (is_telling_ || lease_commands_.empty() || lease_ == nullptr) return;
      is_telling_ = true;
      commands = std::exchange(lease_commands_, {});
      lease = lease_;
    }
    for (const LeaseCommand& command : commands) {
      switch (command.kind) {
        case LeaseCommand::Kind::kPause:
          lease->Pause(command.queue);
          break;
        case LeaseCommand::Kind::kResume:
          lease->Resume(command.queue);
          break;
        case LeaseCommand::Kind::kHandBack:
          lease->HandBack(command.token);
          break;
      }
    }
    int credit = 0;
    {
      absl::MutexLock lock(&mu_);
      is_telling_ = false;
      if (lease == lease_) credit = TakeCredit();
    }
    if (credit > 0) lease->AddCredit(credit);
  }
}

void Worker::OnShardLost(uint64_t stream, uint32_t shard, const absl::Status& status) {
  std::vector<WorkPtr> unfinished;
  std::shared_ptr<spool::LeaseStream> lease;
  int credit = 0;
  {
    absl::MutexLock lock(&mu_);
    if (stream != stream_number_) return;
    const auto is_there = [shard](const Work& work) { return spool::ShardOf(work.id()) == shard; };
    for (const WorkPtr& work : dispatcher_.RemoveIf(is_there)) {
      if (work->so_far.outcomes.empty()) {
        works_.erase(work->id());
      } else {
        unfinished.push_back(work);
      }
    }
    for (const auto& [id, work] : works_) {
      if (is_there(*work)) work->has_lease = false;
    }
    metrics_.lease_streams_closed->Increment();
    credit = TakeCredit();
    lease = lease_;
  }
  TURNPIKE_LOG(kWarning, "a shard of the spool is away; what it leased to us will be leased again",
               {{"shard", uint64_t{shard}}, {"status", status.ToString()}});
  if (credit > 0) lease->AddCredit(credit);
  for (const WorkPtr& work : unfinished) SettleUnfinished(work);
}

void Worker::OnLeaseClosed(uint64_t stream, const absl::Status& status) {
  const absl::Time now = clock_.Now();
  std::vector<WorkPtr> unfinished;
  ForgetLeases(stream, now, status, &unfinished);
  for (const WorkPtr& work : unfinished) SettleUnfinished(work);
}

void Worker::ForgetLeases(uint64_t stream, absl::Time now, const absl::Status& status,
                          std::vector<WorkPtr>* unfinished) {
  absl::MutexLock lock(&mu_);
  if (stream != stream_number_) return;
  for (const WorkPtr& work : dispatcher_.RemoveAll()) {
    if (work->so_far.outcomes.empty()) {
      works_.erase(work->id());
    } else {
      unfinished->push_back(work);
    }
  }
  for (const auto& [id, work] : works_) work->has_lease = false;
  lease_commands_.clear();
  ended_lease_ = std::move(lease_);
  lease_ = nullptr;
  credit_ = 0;
  if (now - opened_time_ > kGoodStreamTime) reopen_delay_ = kReopenDelayMin;
  reopen_time_ = now + reopen_delay_;
  reopen_delay_ = std::min(reopen_delay_ * 2, kReopenDelayMax);
  if (is_draining_) return;
  metrics_.lease_streams_closed->Increment();
  if (std::exchange(is_store_away_, true)) return;  // said before
  TURNPIKE_LOG(kWarning, "spool-store is away; what it leased to us will be leased again",
               {{"status", status.ToString()}, {"in_progress", uint64_t{works_.size()}}});
}

void Worker::RenewLeases(absl::Time now) {
  std::shared_ptr<spool::LeaseStream> lease;
  std::vector<spool::v1::LeaseToken> tokens;
  {
    absl::MutexLock lock(&mu_);
    if (lease_ == nullptr) return;
    lease = lease_;
    for (auto& [id, work] : works_) {
      if (!work->has_lease) continue;
      if (now - work->renewed_time < settings_->options.lease_duration / 3) continue;
      work->renewed_time = now;
      tokens.push_back(work->token);
    }
  }
  for (const spool::v1::LeaseToken& token : tokens) lease->Renew(token);
}

int Worker::TakeCredit() {
  if (lease_ == nullptr || is_draining_) return 0;
  const int64_t leases_max = settings_->options.leases_max;
  const int64_t missing = leases_max - static_cast<int64_t>(works_.size()) - credit_;
  // Many at once are cheaper, as long as the store has enough to go on with.
  const int64_t worthwhile = std::max<int64_t>(1, leases_max / 64);
  if (missing < worthwhile && !works_.empty()) return 0;
  if (missing <= 0) return 0;
  credit_ += missing;
  return static_cast<int>(missing);
}

// --- Sessions ---

WorkPtr Worker::Take(SessionId session) {
  Actions actions;
  WorkPtr work;
  {
    absl::MutexLock lock(&mu_);
    work = dispatcher_.Take(session, clock_.Now(), &actions);
    Absorb(&actions);
  }
  Perform(std::move(actions));
  return work;
}

bool Worker::EndIdle(SessionId session) {
  absl::MutexLock lock(&mu_);
  return dispatcher_.EndIdle(session);
}

void Worker::OnSessionReady(SessionId session) {
  Actions actions;
  {
    absl::MutexLock lock(&mu_);
    dispatcher_.OnSessionReady(session, clock_.Now(), &actions);
    Absorb(&actions);
  }
  Perform(std::move(actions));
}

void Worker::OnThrottled(SessionId session) {
  absl::MutexLock lock(&mu_);
  dispatcher_.OnThrottled(session, clock_.Now());
}

void Worker::Requeue(SessionId session, const WorkPtr& work) {
  Actions actions;
  bool is_given_up = false;
  {
    absl::MutexLock lock(&mu_);
    // Without a lease there is nothing to send any more; the store leases it to somebody again.
    is_given_up = IsGivenUp(*work);
    if (!is_given_up) {
      dispatcher_.Requeue(session, work, &actions);
    } else if (work->so_far.outcomes.empty()) {
      HandBack(work);
    }
    Absorb(&actions);
  }
  if (is_given_up && !work->so_far.outcomes.empty()) SettleUnfinished(work);
  Perform(std::move(actions));
}

void Worker::OnAttempt(const WorkPtr& work, AttemptReport report) {
  if (AskFurtherHost(work, report)) return;
  Settle(work, std::move(report));
}

bool Worker::AskFurtherHost(const WorkPtr& work, const AttemptReport& report) {
  const RoutePlan& plan = *report.plan;
  if (plan.returns_on_first_refusal || plan.target != RoutePlan::Target::kDomain ||
      plan.avoided_hosts.size() >= kMxHostsMax || report.attempt.is_damaged ||
      !HasRefusal(report.attempt)) {
    return false;
  }
  RoutePlan further = plan;
  further.avoided_hosts.push_back(report.host_name);
  Actions actions;
  bool is_given_up = false;
  {
    absl::MutexLock lock(&mu_);
    work->so_far = report.attempt;
    is_given_up = IsGivenUp(*work);
    if (!is_given_up) dispatcher_.Add(work, further, clock_.Now(), &actions);
    Absorb(&actions);
  }
  if (is_given_up) {
    SettleUnfinished(work);
    return true;
  }
  metrics_.further_hosts->Increment();
  Perform(std::move(actions));
  return true;
}

void Worker::OnSessionFailed(SessionId session, const Failure& failure) {
  Actions actions;
  {
    absl::MutexLock lock(&mu_);
    dispatcher_.OnSessionFailed(session, failure, clock_.Now(), &actions);
    sessions_.erase(session);
    Absorb(&actions);
  }
  Perform(std::move(actions));
}

void Worker::OnSessionEnded(SessionId session, const std::optional<Failure>& failure) {
  Actions actions;
  {
    absl::MutexLock lock(&mu_);
    dispatcher_.OnSessionEnded(session, failure, clock_.Now(), &actions);
    sessions_.erase(session);
    Absorb(&actions);
  }
  Perform(std::move(actions));
}

void Worker::Perform(Actions actions) {
  if (actions.tells_lease_stream) TellLeaseStream();
  for (Actions::Open& open : actions.open) {
    std::shared_ptr<Session> session;
    {
      absl::MutexLock lock(&mu_);
      session =
          std::make_shared<Session>(open.session, std::move(open.plan), std::move(open.limit_key),
                                    session_environment_, threads_.Next());
      sessions_[open.session] = session;
    }
    session->Start();
  }
  for (const SessionId id : actions.wake) {
    std::shared_ptr<Session> session;
    {
      absl::MutexLock lock(&mu_);
      const auto it = sessions_.find(id);
      if (it != sessions_.end()) session = it->second;
    }
    if (session != nullptr) session->Wake();
  }
  for (const Actions::Fail& fail : actions.fail) SettleFailed(fail);
}

void Worker::SettleFailed(const Actions::Fail& fail) {
  const Failure& failure = fail.failure;
  const size_t count = fail.work->recipient_count();
  AttemptReport report;
  report.plan = fail.plan;
  report.attempt = fail.work->so_far;
  if (failure.is_untried) SoftenRefusals(&report.attempt);
  const std::vector<size_t> open = OpenRecipients(report.attempt, count);
  const smtp::RecipientOutcome outcome = {.disposition = failure.reply.is_permanent()
                                                             ? smtp::Disposition::kPermanentFailure
                                                             : smtp::Disposition::kTransientFailure,
                                          .stage = smtp::Stage::kConnection,
                                          .reply = failure.reply,
                                          .is_from_peer = failure.is_from_peer};
  Merge(open, std::vector<smtp::RecipientOutcome>(open.size(), outcome), {.host = failure.host},
        count, &report.attempt);
  Settle(fail.work, std::move(report));
}

void Worker::SettleUnfinished(const WorkPtr& work) {
  AttemptReport report;
  report.plan = std::make_shared<const RoutePlan>();
  report.attempt = work->so_far;
  SoftenRefusals(&report.attempt);
  Settle(work, std::move(report));
}

void Worker::Settle(const WorkPtr& work, AttemptReport report) {
  const RoutePlan& plan = *report.plan;
  if (plan.kind == RoutePlan::Kind::kSmartHost && !plan.returns_refused) {
    SoftenRefusals(&report.attempt);  // (DL-33)
  }
  settler_.Settle(work, std::move(report));
}

spool::v1::LeaseToken Worker::TokenOf(const Work& work) const {
  absl::MutexLock lock(&mu_);
  return work.token;
}

void Worker::OnSettled(const WorkPtr& work, const spool::v1::LeaseToken& token) {
  std::shared_ptr<spool::LeaseStream> lease;
  int credit = 0;
  {
    absl::MutexLock lock(&mu_);
    const auto it = works_.find(work->id());
    if (it != works_.end() && it->second == work) {
      if (work->token.fence() == token.fence()) {
        works_.erase(it);
      } else {
        HandBack(work);  // it was made due, and leased to us again, before we heard of the first
      }
    }
    credit = TakeCredit();
    lease = lease_;
  }
  if (credit > 0) lease->AddCredit(credit);
  TellLeaseStream();
}

// --- The end ---

void Worker::Drain(absl::Time deadline) {
  std::vector<spool::v1::LeaseToken> unwanted;
  std::vector<WorkPtr> unfinished;
  std::vector<std::shared_ptr<Session>> idle;
  std::shared_ptr<spool::LeaseStream> lease;
  {
    absl::MutexLock lock(&mu_);
    is_draining_ = true;
    for (const WorkPtr& work : dispatcher_.RemoveAll()) {
      if (!work->so_far.outcomes.empty()) {
        unfinished.push_back(work);
        continue;
      }
      unwanted.push_back(work->token);
      works_.erase(work->id());
    }
    for (const SessionId id : dispatcher_.IdleSessions()) {
      const auto it = sessions_.find(id);
      if (it != sessions_.end()) idle.push_back(it->second);
    }
    lease = lease_;
  }
  if (lease != nullptr) {
    for (const spool::v1::LeaseToken& token : unwanted) lease->HandBack(token);
  }
  for (const WorkPtr& work : unfinished) SettleUnfinished(work);
  for (const std::shared_ptr<Session>& session : idle) session->Wake();

  std::vector<std::shared_ptr<Session>> left;
  {
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithDeadline(absl::Condition(this, &Worker::IsIdle), deadline);
    for (const auto& [id, session] : sessions_) left.push_back(session);
  }
  for (const std::shared_ptr<Session>& session : left) session->Abort();
  {
    absl::MutexLock lock(&mu_);
    const absl::Time last = clock_.Now() + kLastSettlements;
    mu_.AwaitWithDeadline(absl::Condition(this, &Worker::IsIdle), last);
    mu_.AwaitWithDeadline(absl::Condition(this, &Worker::HasNoSessions), last);
    if (!works_.empty()) {
      TURNPIKE_LOG(kWarning, "deliveries left at the end of the drain; their leases will expire",
                   {{"deliveries", uint64_t{works_.size()}}});
    }
    lease = std::move(lease_);
    lease_ = nullptr;
    ++stream_number_;  // what it still reports does not matter
    // Those that are left belong to their threads now: their timers and sockets go with these.
    left.clear();
    sessions_.clear();
  }
  idle.clear();
  ticker_->Stop();
  ticker_.reset();
  lease.reset();
}

std::vector<Dispatcher::DestinationView> Worker::Destinations(const std::string& after,
                                                              size_t count_max) const {
  std::vector<Dispatcher::DestinationView> views;
  const auto visit = [&](const Dispatcher::DestinationView& view) {
    views.push_back(view);
    return views.size() < count_max;
  };
  absl::MutexLock lock(&mu_);
  dispatcher_.Visit(after, visit);
  return views;
}

}  // namespace turnpike::delivery
