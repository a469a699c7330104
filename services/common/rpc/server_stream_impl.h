// Included by server_stream.h only.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_SERVER_STREAM_IMPL_H_
#define TURNPIKE_SERVICES_COMMON_RPC_SERVER_STREAM_IMPL_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/rpc/callback_order.h"
#include "services/common/rpc/send_batch.h"
#include "services/common/rpc/server_stream.h"
#include "services/common/rpc/status.h"

namespace turnpike::rpc {

// Lifetime: gRPC may use a reactor until OnDone, which it calls when Finish has been called and all
// started operations have completed. Operations start on any thread until then, so Finish itself
// waits until nobody is about to start one, and nobody starts one afterwards.
template <typename Request, typename Response>
class ServerStream<Request, Response>::Call final : public Reactor {
 public:
  void Begin(Callbacks callbacks, std::shared_ptr<Call> self) {
    callbacks_ = std::move(callbacks);
    {
      absl::MutexLock lock(&mu_);
      self_ = std::move(self);
    }
    this->StartRead(&request_);  // gRPC keeps it until the method has returned
  }

  void Send(const std::function<void(Response&)>& merge, const std::shared_ptr<Call>& self) {
    SendBatch* const batch = SendBatch::Current();
    {
      absl::MutexLock lock(&mu_);
      if (final_status_.has_value()) return;
      merge(pending_);
      const bool is_first = !has_pending_;
      has_pending_ = true;
      pending_bytes_.reset();
      if (write_in_flight_) return;
      if (batch == nullptr) {
        TakePending();
      } else if (!is_first) {
        return;  // whoever was first has told the batch
      }
    }
    if (batch != nullptr) return batch->Add([self] { self->Flush(); });
    this->StartWrite(&writing_);
    Started();
  }

  // Writes what a batch has held back, unless that has happened.
  void Flush() {
    {
      absl::MutexLock lock(&mu_);
      if (!has_pending_ || write_in_flight_) return;
      TakePending();
    }
    this->StartWrite(&writing_);
    Started();
  }

  void Resume() {
    {
      absl::MutexLock lock(&mu_);
      if (reading_ == Reading::kInCallback) {
        reading_ = Reading::kResumedInCallback;
        return;
      }
      if (reading_ != Reading::kPaused || final_status_.has_value()) return;
      reading_ = Reading::kReading;
      ++starting_;
    }
    this->StartRead(&request_);
    Started();
  }

  void Finish(const absl::Status& status) {
    std::optional<grpc::Status> finish;
    {
      absl::MutexLock lock(&mu_);
      if (final_status_.has_value()) return;
      final_status_ = ToGrpc(status);
      finish = TakeFinish();
    }
    if (finish.has_value()) Reactor::Finish(*std::move(finish));
  }

  size_t pending_bytes() const {
    absl::MutexLock lock(&mu_);
    if (!pending_bytes_.has_value()) pending_bytes_ = has_pending_ ? pending_.ByteSizeLong() : 0;
    return *pending_bytes_ + (write_in_flight_ ? writing_bytes_ : 0);
  }

 private:
  static constexpr uint32_t kMessage = 1;
  static constexpr uint32_t kHalfClose = 2;
  static constexpr uint32_t kWritable = 4;

  enum class Reading {
    kReading,            // a read is in progress, or there is nothing more to read
    kInCallback,         // on_message is running
    kResumedInCallback,  // and Resume has come meanwhile
    kPaused,             // until Resume
  };

  void OnReadDone(bool ok) override {
    if (!ok) {
      Post(kHalfClose);
      return;
    }
    {
      absl::MutexLock lock(&mu_);
      if (final_status_.has_value()) return;
      reading_ = Reading::kInCallback;
    }
    Post(kMessage);
  }

  void OnWriteDone(bool ok) override {
    std::optional<grpc::Status> finish;
    bool write_more = false;
    {
      absl::MutexLock lock(&mu_);
      write_in_flight_ = false;
      if (!ok) DropPending();
      if (has_pending_) {
        TakePending();
        write_more = true;
      } else {
        finish = TakeFinish();
      }
    }
    if (write_more) {
      this->StartWrite(&writing_);
      Started();
    } else if (finish.has_value()) {
      Reactor::Finish(*std::move(finish));
    } else if (ok) {
      Post(kWritable);
    }
  }

  void OnCancel() override {
    std::optional<grpc::Status> finish;
    {
      absl::MutexLock lock(&mu_);
      DropPending();
      if (!final_status_.has_value()) final_status_ = grpc::Status::CANCELLED;
      finish = TakeFinish();
    }
    if (finish.has_value()) Reactor::Finish(*std::move(finish));
  }

  void OnDone() override {
    std::shared_ptr<Call> self;
    {
      absl::MutexLock lock(&mu_);
      self = std::move(self_);
    }
    // All reactions have returned, so nothing else uses the callbacks any more; they may hold their
    // owner, which may hold this.
    Callbacks callbacks = std::move(callbacks_);
    if (callbacks.on_closed) callbacks.on_closed();
  }

  // Always inside of a reaction.
  void Post(uint32_t event) {
    order_.Post(event, [this](uint32_t pending) {
      switch (pending) {
        case kMessage:
          AfterMessage(callbacks_.on_message(request_));
          break;
        case kHalfClose:
          if (callbacks_.on_half_close) callbacks_.on_half_close();
          break;
        case kWritable:
          if (callbacks_.on_writable) callbacks_.on_writable();
          break;
      }
    });
  }

  void AfterMessage(bool read_on) {
    {
      absl::MutexLock lock(&mu_);
      if (!read_on && reading_ != Reading::kResumedInCallback) {
        reading_ = Reading::kPaused;
        return;
      }
      reading_ = Reading::kReading;
      if (final_status_.has_value()) return;
      ++starting_;
    }
    this->StartRead(&request_);
    Started();
  }

  // The pending response becomes the one being written; the caller starts the write.
  void TakePending() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    writing_.Clear();
    writing_.Swap(&pending_);
    writing_bytes_ = writing_.ByteSizeLong();
    pending_bytes_ = 0;
    has_pending_ = false;
    write_in_flight_ = true;
    ++starting_;
  }

  void DropPending() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    pending_.Clear();
    pending_bytes_ = 0;
    has_pending_ = false;
  }

  // The status to finish with, once, when that is wanted and nothing stands in the way.
  std::optional<grpc::Status> TakeFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!final_status_.has_value() || finished_ || write_in_flight_ || has_pending_ ||
        starting_ > 0) {
      return std::nullopt;
    }
    finished_ = true;
    return final_status_;
  }

  // An operation whose start was announced by ++starting_ is known to gRPC now.
  void Started() {
    std::optional<grpc::Status> finish;
    {
      absl::MutexLock lock(&mu_);
      --starting_;
      finish = TakeFinish();
    }
    if (finish.has_value()) Reactor::Finish(*std::move(finish));
  }

  Callbacks callbacks_;
  CallbackOrder order_;
  Request request_;  // of the read in progress, or in on_message

  mutable absl::Mutex mu_;
  Response pending_ ABSL_GUARDED_BY(mu_);
  Response writing_;  // changes only while no write is in progress
  size_t writing_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  mutable std::optional<size_t> pending_bytes_ ABSL_GUARDED_BY(mu_) =
      0;  // nothing: not counted yet
  bool has_pending_ ABSL_GUARDED_BY(mu_) = false;
  bool write_in_flight_ ABSL_GUARDED_BY(mu_) = false;
  Reading reading_ ABSL_GUARDED_BY(mu_) = Reading::kReading;
  int starting_ ABSL_GUARDED_BY(mu_) = 0;  // threads between their decision and gRPC
  std::optional<grpc::Status> final_status_ ABSL_GUARDED_BY(mu_);  // once it is to end
  bool finished_ ABSL_GUARDED_BY(mu_) = false;                     // Finish has been called
  std::shared_ptr<Call> self_ ABSL_GUARDED_BY(mu_);                // until OnDone
};

template <typename Request, typename Response>
std::pair<grpc::ServerBidiReactor<Request, Response>*,
          std::shared_ptr<ServerStream<Request, Response>>>
ServerStream<Request, Response>::Create() {
  auto call = std::make_shared<Call>();
  Reactor* reactor = call.get();
  return {reactor, std::shared_ptr<ServerStream>(new ServerStream(std::move(call)))};
}

template <typename Request, typename Response>
void ServerStream<Request, Response>::Start(Callbacks callbacks) {
  call_->Begin(std::move(callbacks), call_);
}

template <typename Request, typename Response>
void ServerStream<Request, Response>::Send(const std::function<void(Response&)>& merge) {
  call_->Send(merge, call_);
}

template <typename Request, typename Response>
void ServerStream<Request, Response>::Resume() {
  call_->Resume();
}

template <typename Request, typename Response>
void ServerStream<Request, Response>::Finish(const absl::Status& status) {
  call_->Finish(status);
}

template <typename Request, typename Response>
size_t ServerStream<Request, Response>::pending_bytes() const {
  return call_->pending_bytes();
}

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_SERVER_STREAM_IMPL_H_
