#include "services/gateway-dequeue/client/rpc_dequeue.h"

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "protos/turnpike/dequeue/v1/dequeue.grpc.pb.h"
#include "services/common/rpc/client_stream.h"
#include "services/common/rpc/unary.h"

namespace turnpike::dequeue {
namespace {

using Stream = rpc::ClientStream<v1::RunAtrnRequest, v1::RunAtrnResponse>;

// The call's own state, which lives until gRPC has reported its end.
//
// Lock order: mu_, then the stream's own lock. The handler is called without mu_.
class AtrnCall : public std::enable_shared_from_this<AtrnCall> {
 public:
  explicit AtrnCall(std::shared_ptr<AtrnSession::Handler> handler) : handler_(std::move(handler)) {}

  void Start(std::shared_ptr<v1::DequeueService::Stub> stub, v1::AtrnBegin begin,
             absl::Time begin_deadline) {
    absl::MutexLock lock(&mu_);
    *first_.mutable_begin() = std::move(begin);
    alarm_.Set(absl::ToChronoTime(begin_deadline), [weak = weak_from_this()](bool expired) {
      if (!expired) return;
      if (std::shared_ptr<AtrnCall> self = weak.lock()) self->OnBeginDeadline();
    });
    std::shared_ptr<AtrnCall> self = shared_from_this();
    stream_ = Stream::Open(
        [&stub](grpc::ClientContext* context, Stream::Reactor* reactor) {
          stub->async()->RunAtrn(context, reactor);
        },
        // The stub goes with the stream.
        {.on_message = [self, stub](v1::RunAtrnResponse& response) { self->OnMessage(response); },
         .on_writable = [self] { self->OnWritable(); },
         .on_closed = [self](const absl::Status& status) { self->OnClosed(status); }});
    Write();
  }

  void Report(const v1::AtrnProgress& progress) {
    absl::MutexLock lock(&mu_);
    progress_ = progress;
    Write();
  }

  void End(const v1::AtrnEnd& end) {
    absl::MutexLock lock(&mu_);
    if (end_.has_value() || ended_) return;
    progress_.reset();  // the end has the totals
    end_ = end;
    Write();
  }

  // The session's owner is gone.
  void Abandon() {
    absl::MutexLock lock(&mu_);
    if (!end_.has_value() && !ended_ && stream_ != nullptr) stream_->Cancel();
  }

 private:
  // Writes what is most important to write, if nothing is being written.
  void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (stream_ == nullptr || ended_) return;
    if (!begun_) {
      begun_ = stream_->TryWrite(first_);
    } else if (progress_.has_value()) {
      v1::RunAtrnRequest request;
      *request.mutable_progress() = *progress_;
      if (stream_->TryWrite(request)) progress_.reset();
    } else if (end_.has_value()) {
      v1::RunAtrnRequest request;
      *request.mutable_end() = *end_;
      if (stream_->TryWrite(request)) {
        ended_ = true;
        stream_->WritesDone();
      }
    }
  }

  void OnWritable() {
    absl::MutexLock lock(&mu_);
    Write();
  }

  void OnMessage(const v1::RunAtrnResponse& response) {
    {
      absl::MutexLock lock(&mu_);
      if (timed_out_) return;
      answered_ = true;
      alarm_.Cancel();
    }
    handler_->OnResponse(response);
  }

  void OnBeginDeadline() {
    absl::MutexLock lock(&mu_);
    if (answered_ || stream_ == nullptr) return;
    timed_out_ = true;
    stream_->Cancel();
  }

  void OnClosed(const absl::Status& status) {
    bool timed_out;
    {
      absl::MutexLock lock(&mu_);
      stream_ = nullptr;
      timed_out = timed_out_;
      alarm_.Cancel();
    }
    handler_->OnClosed(timed_out ? absl::DeadlineExceededError("gateway-dequeue did not answer")
                                 : status);
  }

  const std::shared_ptr<AtrnSession::Handler> handler_;

  absl::Mutex mu_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);  // until it is over
  v1::RunAtrnRequest first_ ABSL_GUARDED_BY(mu_);
  bool begun_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<v1::AtrnProgress> progress_ ABSL_GUARDED_BY(mu_);  // the latest, not written yet
  std::optional<v1::AtrnEnd> end_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;  // end_ is written
  bool answered_ ABSL_GUARDED_BY(mu_) = false;
  bool timed_out_ ABSL_GUARDED_BY(mu_) = false;
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

struct RpcDequeue::Stub {
  std::shared_ptr<v1::DequeueService::Stub> stub;
};

class RpcDequeue::Session : public AtrnSession {
 public:
  explicit Session(std::shared_ptr<AtrnCall> call) : call_(std::move(call)) {}
  ~Session() override { call_->Abandon(); }
  void Report(const v1::AtrnProgress& progress) override { call_->Report(progress); }
  void End(const v1::AtrnEnd& end) override { call_->End(end); }

 private:
  const std::shared_ptr<AtrnCall> call_;
};

RpcDequeue::RpcDequeue(std::shared_ptr<grpc::Channel> channel, const Options& options)
    : begin_timeout_nanos_(absl::ToInt64Nanoseconds(options.begin_timeout)),
      stub_(std::make_shared<Stub>(Stub{v1::DequeueService::NewStub(std::move(channel))})) {}

RpcDequeue::RpcDequeue(std::shared_ptr<grpc::Channel> channel)
    : RpcDequeue(std::move(channel), Options()) {}

RpcDequeue::~RpcDequeue() = default;

void RpcDequeue::SetBeginTimeout(absl::Duration timeout) {
  begin_timeout_nanos_ = absl::ToInt64Nanoseconds(timeout);
}

void RpcDequeue::RequestEtrn(
    v1::RequestEtrnRequest request, absl::Time deadline,
    absl::AnyInvocable<void(absl::StatusOr<v1::RequestEtrnResponse>)> done) {
  rpc::CallUnary<v1::RequestEtrnRequest, v1::RequestEtrnResponse>(
      std::move(request), deadline,
      [stub = stub_->stub](grpc::ClientContext* context, const v1::RequestEtrnRequest* asked,
                           v1::RequestEtrnResponse* response,
                           std::function<void(grpc::Status)> finished) {
        stub->async()->RequestEtrn(context, asked, response, std::move(finished));
      },
      std::move(done));
}

std::unique_ptr<AtrnSession> RpcDequeue::RunAtrn(v1::AtrnBegin begin,
                                                 std::shared_ptr<AtrnSession::Handler> handler) {
  auto call = std::make_shared<AtrnCall>(std::move(handler));
  call->Start(stub_->stub, std::move(begin),
              absl::Now() + absl::Nanoseconds(begin_timeout_nanos_.load()));
  return std::make_unique<Session>(std::move(call));
}

}  // namespace turnpike::dequeue
