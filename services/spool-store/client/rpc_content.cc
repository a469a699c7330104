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

// Keeps itself until OnDone. The call has a hold from its start, because reads begin outside of
// gRPC's callbacks; it is given back when a read has failed or the owner has gone.
//
// Nothing may be touched after a callback was called: the owner may have gone in it.
class RpcContent::Call : public grpc::ClientReadReactor<v1::ReadContentResponse> {
 public:
  explicit Call(std::shared_ptr<v1::SpoolService::Stub> stub) : stub_(std::move(stub)) {}

  void Start(std::shared_ptr<Call> self, absl::string_view message_id) {
    self_ = std::move(self);
    request_.set_message_id(std::string(message_id));
    stub_->async()->ReadContent(&context_, &request_, this);
    AddHold();
    StartCall();
  }

  void Next(absl::Time deadline, ContentReader::NextCallback done) {
    absl::StatusOr<std::string> end;
    {
      absl::MutexLock lock(&mu_);
      if (!end_.has_value()) {
        waiting_ = std::move(done);
        deadline_ = deadline;
      } else {
        end = End();
      }
    }
    if (done) return std::move(done)(std::move(end));
    StartRead(&response_);
  }

  // The owner has gone.
  void Abandon() {
    Cancel(absl::CancelledError("the reader has gone"));
    ReleaseHold();
  }

  void Cancel(absl::Status cause) {
    {
      absl::MutexLock lock(&mu_);
      if (!cause_.has_value()) cause_ = std::move(cause);
    }
    context_.TryCancel();
  }

  bool IsLate(absl::Time now) {
    absl::MutexLock lock(&mu_);
    return waiting_ && now >= deadline_;
  }

 private:
  absl::StatusOr<std::string> End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (end_->ok()) return std::string();
    return *end_;
  }

  void ReleaseHold() {
    {
      absl::MutexLock lock(&mu_);
      if (std::exchange(is_released_, true)) return;
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
      if (!end_->ok() && cause_.has_value()) end_ = cause_;
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
  absl::Time deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();  // of that piece
  bool is_released_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> cause_ ABSL_GUARDED_BY(mu_);  // why we have cancelled it
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);    // once the call is over
};

class RpcContent::Reader : public ContentReader {
 public:
  Reader(std::shared_ptr<Call> call, absl::Duration piece_timeout)
      : call_(std::move(call)), piece_timeout_(piece_timeout) {}
  ~Reader() override { call_->Abandon(); }

  void Next(NextCallback done) override {
    call_->Next(absl::Now() + piece_timeout_, std::move(done));
  }

 private:
  const std::shared_ptr<Call> call_;
  const absl::Duration piece_timeout_;
};

RpcContent::RpcContent(std::shared_ptr<v1::SpoolService::Stub> stub, absl::Duration piece_timeout)
    : stub_(std::move(stub)), piece_timeout_(piece_timeout) {}

RpcContent::~RpcContent() = default;

std::unique_ptr<ContentReader> RpcContent::Open(absl::string_view message_id) {
  auto call = std::make_shared<Call>(stub_);
  call->Start(call, message_id);
  {
    absl::MutexLock lock(&mu_);
    calls_.push_back(call);
  }
  return std::make_unique<Reader>(std::move(call), piece_timeout_);
}

void RpcContent::Tick(absl::Time now) {
  std::vector<std::shared_ptr<Call>> late;
  {
    absl::MutexLock lock(&mu_);
    calls_.erase(std::remove_if(calls_.begin(), calls_.end(),
                                [](const std::weak_ptr<Call>& call) { return call.expired(); }),
                 calls_.end());
    for (const std::weak_ptr<Call>& weak : calls_) {
      std::shared_ptr<Call> call = weak.lock();
      if (call != nullptr && call->IsLate(now)) late.push_back(std::move(call));
    }
  }
  for (const auto& call : late) {
    call->Cancel(absl::DeadlineExceededError("the store has not sent the content in time"));
  }
}

void RpcContent::Shutdown() {
  std::vector<std::weak_ptr<Call>> calls;
  {
    absl::MutexLock lock(&mu_);
    calls.swap(calls_);
  }
  for (const std::weak_ptr<Call>& weak : calls) {
    if (const std::shared_ptr<Call> call = weak.lock()) {
      call->Cancel(absl::CancelledError("the spool's client has ended"));
    }
  }
}

}  // namespace turnpike::spool
