#include "services/spool-store/client/rpc_content.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "services/common/rpc/status.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kRetryDelay = absl::Milliseconds(100);

}  // namespace

// One call; keeps itself until OnDone. It has a hold from its start, because reads begin outside of
// gRPC's callbacks; that is given back when a read has failed or the call was abandoned, but not
// while a read is being started.
class RpcContent::Call : public grpc::ClientReadReactor<v1::ReadContentResponse> {
 public:
  static std::shared_ptr<Call> Start(const std::shared_ptr<v1::SpoolService::Stub>& stub,
                                     const std::string& message_id) {
    auto call = std::make_shared<Call>(stub);
    call->self_ = call;
    call->request_.set_message_id(message_id);
    stub->async()->ReadContent(&call->context_, &call->request_, call.get());
    call->AddHold();
    call->StartCall();
    return call;
  }
  explicit Call(std::shared_ptr<v1::SpoolService::Stub> stub) : stub_(std::move(stub)) {}

  // One at a time.
  void Next(ContentReader::NextCallback done) {
    absl::StatusOr<std::string> end = absl::CancelledError("abandoned");
    {
      absl::MutexLock lock(&mu_);
      if (end_.has_value()) {
        end = End();
      } else if (!is_released_) {
        waiting_ = std::move(done);
        ++starting_;
      }
    }
    if (done) return std::move(done)(std::move(end));
    StartRead(&response_);
    bool remove_hold = false;
    {
      absl::MutexLock lock(&mu_);
      remove_hold = --starting_ == 0 && is_released_;
    }
    if (remove_hold) RemoveHold();
  }

  // What is under way ends soon.
  void Abandon() {
    context_.TryCancel();
    ReleaseHold();
  }

 private:
  absl::StatusOr<std::string> End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (end_->ok()) return std::string();
    return *end_;
  }

  void ReleaseHold() {
    {
      absl::MutexLock lock(&mu_);
      if (std::exchange(is_released_, true) || starting_ > 0) return;
    }
    RemoveHold();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return ReleaseHold();
    if (response_.data().empty()) return StartRead(&response_);
    std::string piece = std::move(*response_.mutable_data());
    ContentReader::NextCallback done;
    {
      absl::MutexLock lock(&mu_);
      done = std::exchange(waiting_, nullptr);
    }
    std::move(done)(std::move(piece));
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<Call> self = std::move(self_);
    ContentReader::NextCallback done;
    absl::StatusOr<std::string> end;
    {
      absl::MutexLock lock(&mu_);
      end_ = rpc::FromGrpc(status);
      done = std::exchange(waiting_, nullptr);
      end = End();
    }
    if (done) std::move(done)(std::move(end));
  }

  const std::shared_ptr<v1::SpoolService::Stub> stub_;
  grpc::ClientContext context_;
  v1::ReadContentRequest request_;
  v1::ReadContentResponse response_;
  std::shared_ptr<Call> self_;  // until OnDone

  absl::Mutex mu_;
  ContentReader::NextCallback waiting_ ABSL_GUARDED_BY(mu_);  // null: no piece is asked for
  int starting_ ABSL_GUARDED_BY(mu_) = 0;                     // reads that Next is about to start
  bool is_released_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // once the call is over
};

// One content, over as many calls as it takes. Kept by its reader, and by what it waits for.
class RpcContent::Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(std::shared_ptr<v1::SpoolService::Stub> stub, absl::string_view message_id)
      : stub_(std::move(stub)), message_id_(message_id), call_(Call::Start(stub_, message_id_)) {}

  void Next(absl::Time deadline, ContentReader::NextCallback done) {
    absl::Status end;
    {
      absl::MutexLock lock(&mu_);
      end = end_;
      if (end.ok()) {
        waiting_ = std::move(done);
        deadline_ = deadline;
      }
    }
    if (!end.ok()) return std::move(done)(std::move(end));
    Ask();
  }

  void End(absl::Status status) {
    std::shared_ptr<Call> call;
    ContentReader::NextCallback done;
    {
      absl::MutexLock lock(&mu_);
      if (!end_.ok()) return;
      end_ = status;
      call = call_;
      done = std::exchange(waiting_, nullptr);
    }
    call->Abandon();
    if (done) std::move(done)(std::move(status));
  }

  void Tick(absl::Time now) {
    absl::Status late;
    bool is_due = false;
    {
      absl::MutexLock lock(&mu_);
      if (!waiting_) return;
      is_due = retry_time_.has_value() && now >= *retry_time_;
      if (now >= deadline_) {
        late = retry_time_.has_value() ? break_
                                       : absl::DeadlineExceededError("the content is not sent");
      }
    }
    if (!late.ok()) return End(std::move(late));
    if (is_due) Retry();
  }

 private:
  void Ask() {
    std::shared_ptr<Call> call;
    {
      absl::MutexLock lock(&mu_);
      call = call_;
    }
    call->Next([self = shared_from_this(), call](absl::StatusOr<std::string> piece) {
      self->OnPiece(call.get(), std::move(piece));
    });
  }

  void Retry() {
    std::shared_ptr<Call> call = Call::Start(stub_, message_id_);
    bool is_wanted = false;
    {
      absl::MutexLock lock(&mu_);
      retry_time_ = std::nullopt;
      is_wanted = end_.ok();
      if (is_wanted) {
        call_.swap(call);
        left_out_bytes_ = given_bytes_;
      }
    }
    call->Abandon();  // the old one, or the new one that nobody wants
    if (is_wanted) Ask();
  }

  void OnPiece(const Call* call, absl::StatusOr<std::string> piece) {
    ContentReader::NextCallback done;
    bool is_passed_over = false;
    {
      absl::MutexLock lock(&mu_);
      if (!end_.ok() || call != call_.get()) return;  // answered already
      // A server that shuts down cancels.
      if (absl::IsUnavailable(piece.status()) || absl::IsCancelled(piece.status())) {
        break_ = absl::UnavailableError(piece.status().message());
        retry_time_ = absl::Now() + kRetryDelay;
        return;
      }
      if (piece.ok()) {
        const size_t passed = std::min(left_out_bytes_, piece->size());
        if (piece->empty() && left_out_bytes_ > 0) {
          piece = absl::DataLossError("the content is shorter than before");
        } else {
          left_out_bytes_ -= passed;
          piece->erase(0, passed);
          given_bytes_ += piece->size();
          is_passed_over = passed > 0 && piece->empty();
        }
      }
      if (!piece.ok()) end_ = piece.status();
      if (!is_passed_over) done = std::exchange(waiting_, nullptr);
    }
    if (is_passed_over) return Ask();
    std::move(done)(std::move(piece));
  }

  const std::shared_ptr<v1::SpoolService::Stub> stub_;
  const std::string message_id_;
  absl::Mutex mu_;
  std::shared_ptr<Call> call_ ABSL_GUARDED_BY(mu_);
  size_t given_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  size_t left_out_bytes_ ABSL_GUARDED_BY(mu_) = 0;            // to be passed over in this call
  ContentReader::NextCallback waiting_ ABSL_GUARDED_BY(mu_);  // null: no piece is asked for
  absl::Time deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();  // of that piece
  std::optional<absl::Time> retry_time_ ABSL_GUARDED_BY(mu_);          // the call is broken
  absl::Status break_ ABSL_GUARDED_BY(mu_);                            // how
  absl::Status end_ ABSL_GUARDED_BY(mu_);                              // not OK: final
};

class RpcContent::Reader : public ContentReader {
 public:
  Reader(std::shared_ptr<Reading> reading, absl::Duration piece_timeout)
      : reading_(std::move(reading)), piece_timeout_(piece_timeout) {}
  ~Reader() override { reading_->End(absl::CancelledError("the reader has gone")); }

  void Next(NextCallback done) override {
    reading_->Next(absl::Now() + piece_timeout_, std::move(done));
  }

 private:
  const std::shared_ptr<Reading> reading_;
  const absl::Duration piece_timeout_;
};

RpcContent::RpcContent(std::shared_ptr<v1::SpoolService::Stub> stub, absl::Duration piece_timeout)
    : stub_(std::move(stub)), piece_timeout_(piece_timeout) {}

RpcContent::~RpcContent() = default;

std::unique_ptr<ContentReader> RpcContent::Open(absl::string_view message_id) {
  auto reading = std::make_shared<Reading>(stub_, message_id);
  {
    absl::MutexLock lock(&mu_);
    readings_.push_back(reading);
  }
  return std::make_unique<Reader>(std::move(reading), piece_timeout_);
}

void RpcContent::Tick(absl::Time now) {
  std::vector<std::shared_ptr<Reading>> readings;
  {
    absl::MutexLock lock(&mu_);
    std::erase_if(readings_, [&](const std::weak_ptr<Reading>& weak) {
      std::shared_ptr<Reading> reading = weak.lock();
      if (reading == nullptr) return true;
      readings.push_back(std::move(reading));
      return false;
    });
  }
  for (const auto& reading : readings) reading->Tick(now);
}

void RpcContent::Shutdown() {
  std::vector<std::weak_ptr<Reading>> readings;
  {
    absl::MutexLock lock(&mu_);
    readings.swap(readings_);
  }
  for (const std::weak_ptr<Reading>& weak : readings) {
    if (const std::shared_ptr<Reading> reading = weak.lock()) {
      reading->End(absl::CancelledError("the spool's client has ended"));
    }
  }
}

}  // namespace turnpike::spool
