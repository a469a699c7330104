#include "services/auth-service/client/rpc_policy.h"

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "protos/turnpike/auth/v1/session.grpc.pb.h"
#include "services/common/rpc/client_stream.h"

namespace turnpike::auth {

// Lock order: mu_, then the stream's own lock. Callbacks of askers run without mu_.
class RpcPolicy::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(std::shared_ptr<grpc::Channel> channel, const Options& options)
      : options_(options),
        stub_(v1::SessionService::NewStub(std::move(channel))),
        reopen_delay_(options.reopen_delay_min) {}

  void Ask(v1::Question question, absl::Time deadline, AnswerCallback done);
  void Shutdown();

 private:
  using Stream = rpc::ClientStream<v1::AskRequest, v1::AskResponse>;

  struct Waiting {
    AnswerCallback done;
    absl::Time deadline;
  };
  using Result = std::pair<AnswerCallback, absl::StatusOr<v1::Answer>>;

  static void Report(std::vector<Result> results) {
    for (Result& result : results) result.first(std::move(result.second));
  }

  void OpenStream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnAnswers(uint64_t generation, v1::AskResponse& response);
  void OnWritable(uint64_t generation);
  void OnClosed(uint64_t generation, const absl::Status& status);

  // Sees to it that OnAlarm runs at `time`, or earlier.
  void WakeAt(absl::Time time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnAlarm();

  const Options options_;
  const std::unique_ptr<v1::SessionService::Stub> stub_;

  absl::Mutex mu_;
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;  // of stream_; late events of others are ignored
  absl::Duration reopen_delay_ ABSL_GUARDED_BY(mu_);
  absl::Time reopen_time_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  v1::AskRequest outgoing_ ABSL_GUARDED_BY(mu_);  // not written yet
  uint64_t next_question_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, Waiting> waiting_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mu_);
  absl::Time alarm_time_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

void RpcPolicy::Impl::Ask(v1::Question question, absl::Time deadline, AnswerCallback done) {
  {
    absl::MutexLock lock(&mu_);
    if (waiting_.size() < options_.questions_max) {
      const uint64_t id = next_question_id_++;
      question.set_question_id(id);
      waiting_.emplace(id, Waiting{std::move(done), deadline});
      *outgoing_.add_questions() = std::move(question);
      WakeAt(deadline);
      if (stream_ == nullptr) OpenStream();
      Write();
      return;
    }
  }
  done(absl::UnavailableError("too many open questions"));
}

void RpcPolicy::Impl::OpenStream() {
  if (absl::Now() < reopen_time_) {
    WakeAt(reopen_time_);
    return;
  }
  const uint64_t generation = ++generation_;
  // The callbacks keep this alive until the stream is over.
  std::shared_ptr<Impl> self = shared_from_this();
  stream_ = Stream::Open(
      [this](grpc::ClientContext* context, Stream::Reactor* reactor) {
        stub_->async()->Ask(context, reactor);
      },
      {.on_message =
           [self, generation](v1::AskResponse& response) { self->OnAnswers(generation, response); },
       .on_writable = [self, generation] { self->OnWritable(generation); },
       .on_closed =
           [self, generation](const absl::Status& status) { self->OnClosed(generation, status); }});
}

void RpcPolicy::Impl::Write() {
  if (stream_ != nullptr && outgoing_.questions_size() > 0) stream_->TryWrite(outgoing_);
}

void RpcPolicy::Impl::OnWritable(uint64_t generation) {
  absl::MutexLock lock(&mu_);
  if (generation == generation_) Write();
}

void RpcPolicy::Impl::OnAnswers(uint64_t generation, v1::AskResponse& response) {
  if (response.has_screen() && options_.on_screen) options_.on_screen(response.screen());
  std::vector<Result> results;
  results.reserve(response.answers_size());
  {
    absl::MutexLock lock(&mu_);
    if (generation == generation_ && response.answers_size() > 0) {
      reopen_delay_ = options_.reopen_delay_min;
      reopen_time_ = absl::InfinitePast();
    }
    for (v1::Answer& answer : *response.mutable_answers()) {
      const auto found = waiting_.find(answer.question_id());
      if (found == waiting_.end()) continue;  // its deadline came first
      results.emplace_back(std::move(found->second.done), std::move(answer));
      waiting_.erase(found);
    }
  }
  Report(std::move(results));
  // After them: those who remember answers are told last.
  if (response.rules_changed() && options_.on_rules_changed) options_.on_rules_changed();
}

void RpcPolicy::Impl::OnClosed(uint64_t generation, const absl::Status& status) {
  std::vector<Result> results;
  {
    absl::MutexLock lock(&mu_);
    if (generation != generation_ || stream_ == nullptr) return;
    stream_ = nullptr;
    reopen_time_ = absl::Now() + reopen_delay_;
    reopen_delay_ = std::min(reopen_delay_ * 2, options_.reopen_delay_max);
    outgoing_.Clear();
    for (auto& [id, waiting] : waiting_) {
      results.emplace_back(std::move(waiting.done),
                           absl::UnavailableError(status.ok() ? "stream ended" : status.message()));
    }
    waiting_.clear();
  }
  Report(std::move(results));
}

void RpcPolicy::Impl::WakeAt(absl::Time time) {
  if (shut_down_ || time >= alarm_time_) return;
  alarm_time_ = time;
  // A new alarm each time: one cannot be set again while its callback runs.
  if (alarm_ != nullptr) alarm_->Cancel();
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(absl::ToChronoTime(time), [weak = weak_from_this()](bool expired) {
    if (!expired) return;
    if (std::shared_ptr<Impl> self = weak.lock()) self->OnAlarm();
  });
}

void RpcPolicy::Impl::OnAlarm() {
  std::vector<Result> results;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = absl::Now();
    alarm_time_ = absl::InfiniteFuture();
    absl::Time next = absl::InfiniteFuture();
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (it->second.deadline <= now) {
        results.emplace_back(std::move(it->second.done),
                             absl::DeadlineExceededError("auth-service did not answer in time"));
        waiting_.erase(it++);
      } else {
        next = std::min(next, it->second.deadline);
        ++it;
      }
    }
    if (!waiting_.empty()) {
      WakeAt(next);
      if (stream_ == nullptr) OpenStream();
      Write();
    } else if (stream_ == nullptr) {
      outgoing_.Clear();
    }
  }
  Report(std::move(results));
}

void RpcPolicy::Impl::Shutdown() {
  std::vector<Result> results;
  {
    absl::MutexLock lock(&mu_);
    shut_down_ = true;
    ++generation_;
    if (stream_ != nullptr) stream_->Cancel();
    stream_ = nullptr;
    alarm_ = nullptr;
    for (auto& [id, waiting] : waiting_) {
      results.emplace_back(std::move(waiting.done), absl::CancelledError("policy destroyed"));
    }
    waiting_.clear();
  }
  Report(std::move(results));
}

RpcPolicy::RpcPolicy(std::shared_ptr<grpc::Channel> channel, const Options& options)
    : impl_(std::make_shared<Impl>(std::move(channel), options)) {}

RpcPolicy::RpcPolicy(std::shared_ptr<grpc::Channel> channel)
    : RpcPolicy(std::move(channel), Options()) {}

RpcPolicy::~RpcPolicy() { impl_->Shutdown(); }

void RpcPolicy::Ask(v1::Question question, absl::Time deadline, AnswerCallback done) {
  impl_->Ask(std::move(question), deadline, std::move(done));
}

}  // namespace turnpike::auth
