#include "services/spool-store/client/rpc_lease_stream.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/rpc/client_stream.h"

namespace turnpike::spool {
namespace {

using Stream = rpc::ClientStream<v1::LeaseRequest, v1::LeaseResponse>;

// What is to be said next, gathered while a write is under way. Held by the stream's callbacks
// until its end.
class Call : public std::enable_shared_from_this<Call> {
 public:
  explicit Call(std::shared_ptr<LeaseStream::Handler> handler) : handler_(std::move(handler)) {}

  void Open(const std::shared_ptr<v1::SpoolService::Stub>& stub, v1::LeaseOpen open) {
    {
      absl::MutexLock lock(&mu_);
      *next_.mutable_open() = std::move(open);
      has_next_ = true;
    }
    auto self = shared_from_this();
    auto stream = Stream::Open(
        [&](grpc::ClientContext* context, Stream::Reactor* reactor) {
          stub->async()->Lease(context, reactor);
        },
        {.on_message =
             [self](v1::LeaseResponse& response) {
               self->handler_->OnLeased(std::move(response));
               response.Clear();
             },
         .on_writable =
             [self] {
               {
                 absl::MutexLock lock(&self->mu_);
                 self->writing_ = false;
               }
               self->Pump();
             },
         .on_closed = [self](const absl::Status& status) { self->handler_->OnClosed(status); }});
    {
      absl::MutexLock lock(&mu_);
      stream_ = std::move(stream);
    }
    Pump();
  }

  template <typename Change>
  void Say(const Change& change) {
    {
      absl::MutexLock lock(&mu_);
      change(next_);
      has_next_ = true;
    }
    Pump();
  }

  void Cancel() {
    std::shared_ptr<Stream> stream;
    {
      absl::MutexLock lock(&mu_);
      stream = stream_;
    }
    stream->Cancel();
  }

 private:
  void Pump() {
    v1::LeaseRequest request;
    std::shared_ptr<Stream> stream;
    {
      absl::MutexLock lock(&mu_);
      if (writing_ || !has_next_ || stream_ == nullptr) return;
      writing_ = true;
      has_next_ = false;
      request.Swap(&next_);
      stream = stream_;
    }
    stream->TryWrite(request);  // if not, the stream is ending
  }

  const std::shared_ptr<LeaseStream::Handler> handler_;
  absl::Mutex mu_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);
  v1::LeaseRequest next_ ABSL_GUARDED_BY(mu_);
  bool has_next_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
};

class RpcLeaseStream : public LeaseStream {
 public:
  explicit RpcLeaseStream(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  ~RpcLeaseStream() override { call_->Cancel(); }

  void AddCredit(int32_t deliveries) override {
    call_->Say([&](v1::LeaseRequest& next) { next.set_credit(next.credit() + deliveries); });
  }
  void Renew(const v1::LeaseToken& token) override {
    call_->Say([&](v1::LeaseRequest& next) { *next.add_renew() = token; });
  }
  void HandBack(const v1::LeaseToken& token) override {
    call_->Say([&](v1::LeaseRequest& next) { *next.add_hand_back() = token; });
  }
  // The last word of what goes out as one request counts.
  void Pause(const v1::QueueName& queue) override {
    call_->Say([&](v1::LeaseRequest& next) {
      Forget(queue, *next.mutable_resume());
      *next.add_pause() = queue;
    });
  }
  void Resume(const v1::QueueName& queue) override {
    call_->Say([&](v1::LeaseRequest& next) {
      Forget(queue, *next.mutable_pause());
      *next.add_resume() = queue;
    });
  }

 private:
  static void Forget(const v1::QueueName& queue,
                     google::protobuf::RepeatedPtrField<v1::QueueName>& queues) {
    for (int i = queues.size() - 1; i >= 0; --i) {
      if (queues[i].kind() == queue.kind() && queues[i].name() == queue.name()) {
        queues.DeleteSubrange(i, 1);
      }
    }
  }

  const std::shared_ptr<Call> call_;
};

}  // namespace

std::unique_ptr<LeaseStream> OpenRpcLease(const std::shared_ptr<v1::SpoolService::Stub>& stub,
                                          v1::LeaseOpen open,
                                          std::shared_ptr<LeaseStream::Handler> handler) {
  auto call = std::make_shared<Call>(std::move(handler));
  call->Open(stub, std::move(open));
  return std::make_unique<RpcLeaseStream>(std::move(call));
}

}  // namespace turnpike::spool
