// Included by client_stream.h only.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_CLIENT_STREAM_IMPL_H_
#define TURNPIKE_SERVICES_COMMON_RPC_CLIENT_STREAM_IMPL_H_

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/rpc/callback_order.h"
#include "services/common/rpc/client_stream.h"
#include "services/common/rpc/status.h"

namespace turnpike::rpc {

// Lifetime: gRPC may use a reactor until OnDone, which it calls when all started operations have
// completed and all holds are gone. TryWrite comes from any thread, so one hold stands until the
// read side has seen the end of the call and nobody is about to start a write: from then on, no
// operation is ever started.
template <typename Request, typename Response>
class ClientStream<Request, Response>::Call final : public Reactor {
 public:
  explicit Call(Callbacks callbacks) : callbacks_(std::move(callbacks)) {}

  void Begin(const std::function<void(grpc::ClientContext*, Reactor*)>& start,
             std::shared_ptr<Call> self) {
    {
      absl::MutexLock lock(&mu_);
      self_ = std::move(self);
    }
    start(&context_, this);
    this->AddHold();
    this->StartRead(&response_);
    this->StartCall();
  }

  bool TryWrite(Request& request) {
    {
      absl::MutexLock lock(&mu_);
      if (write_in_flight_ || writes_done_ || ended_) return false;
      write_in_flight_ = true;
      ++starting_;
      request_.Clear();
      request_.Swap(&request);
    }
    this->StartWrite(&request_);
    Started();
    return true;
  }

  void WritesDone() {
    {
      absl::MutexLock lock(&mu_);
      if (writes_done_ || ended_) return;
      writes_done_ = true;
      if (write_in_flight_) return;  // OnWriteDone does it
      ++starting_;
    }
    this->StartWritesDone();
    Started();
  }

  void Cancel() { context_.TryCancel(); }

 private:
  static constexpr uint32_t kMessage = 1;
  static constexpr uint32_t kWritable = 2;

  void OnReadDone(bool ok) override {
    if (ok) {
      Post(kMessage);
      return;
    }
    bool remove_hold;
    {
      absl::MutexLock lock(&mu_);
      ended_ = true;
      remove_hold = starting_ == 0;
    }
    if (remove_hold) this->RemoveHold();
  }

  void OnWriteDone(bool ok) override {
    bool half_close;
    {
      absl::MutexLock lock(&mu_);
      write_in_flight_ = false;
      half_close = ok && writes_done_ && !ended_;
      if (half_close) ++starting_;
      if (!ok) writes_done_ = true;  // the call is ending; nothing may be written any more
    }
    if (half_close) {
      this->StartWritesDone();
      Started();
    } else if (ok) {
      Post(kWritable);
    }
  }

  void OnDone(const grpc::Status& status) override {
    std::shared_ptr<Call> self;
    Callbacks callbacks;
    {
      absl::MutexLock lock(&mu_);
      ended_ = true;
      self = std::move(self_);
    }
    // All other reactions have returned, so nothing else uses the callbacks any more; they may hold
    // their owner, which may hold this.
    callbacks = std::move(callbacks_);
    if (callbacks.on_closed) callbacks.on_closed(FromGrpc(status));
  }

  // Always inside of a reaction, which keeps OnDone away: the next read needs no hold.
  void Post(uint32_t event) {
    order_.Post(event, [this](uint32_t pending) {
      if (pending == kMessage) {
        if (callbacks_.on_message) callbacks_.on_message(response_);
        this->StartRead(&response_);
      } else if (callbacks_.on_writable) {
        callbacks_.on_writable();
      }
    });
  }

  // An operation whose start was announced by ++starting_ is known to gRPC now.
  void Started() {
    bool remove_hold;
    {
      absl::MutexLock lock(&mu_);
      --starting_;
      remove_hold = ended_ && starting_ == 0;
    }
    if (remove_hold) this->RemoveHold();
  }

  grpc::ClientContext context_;
  Callbacks callbacks_;
  CallbackOrder order_;
  Response response_;  // of the read in progress, or in on_message
  Request request_;    // of the write in progress

  absl::Mutex mu_;
  bool write_in_flight_ ABSL_GUARDED_BY(mu_) = false;
  bool writes_done_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;          // no operation is started any more
  int starting_ ABSL_GUARDED_BY(mu_) = 0;            // threads between their decision and gRPC
  std::shared_ptr<Call> self_ ABSL_GUARDED_BY(mu_);  // until OnDone
};

template <typename Request, typename Response>
std::shared_ptr<ClientStream<Request, Response>> ClientStream<Request, Response>::Open(
    const std::function<void(grpc::ClientContext*, Reactor*)>& start, Callbacks callbacks) {
  auto call = std::make_shared<Call>(std::move(callbacks));
  call->Begin(start, call);
  return std::shared_ptr<ClientStream>(new ClientStream(std::move(call)));
}

template <typename Request, typename Response>
bool ClientStream<Request, Response>::TryWrite(Request& request) {
  return call_->TryWrite(request);
}

template <typename Request, typename Response>
void ClientStream<Request, Response>::WritesDone() {
  call_->WritesDone();
}

template <typename Request, typename Response>
void ClientStream<Request, Response>::Cancel() {
  call_->Cancel();
}

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_CLIENT_STREAM_IMPL_H_
