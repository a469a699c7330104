// A stream on which every request is answered later, in any order: Enqueue and Settle.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_ANSWERING_CALL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_ANSWERING_CALL_H_

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/common/rpc/server_stream.h"
#include "services/spool-store/rpc/drainable.h"

namespace turnpike::spool {

// Counts what is in progress: reading stops while that is too much, and the call ends only when all
// of it is answered.
//
// Thread-safe.
template <typename Request, typename Response>
class AnsweringCall : public Drainable,
                      public std::enable_shared_from_this<AnsweringCall<Request, Response>> {
 public:
  using Stream = rpc::ServerStream<Request, Response>;
  static constexpr size_t kBytesMax = 8 << 20;  // in progress on one stream

  // Takes a request's items; each announces itself by Begin and is answered by End.
  using Take = std::function<void(AnsweringCall& call, Request& request)>;

  static typename Stream::Reactor* Start(Take take, std::function<void()> on_closed,
                                         DrainList& drain_list) {
    auto [reactor, stream] = Stream::Create();
    auto call = std::make_shared<AnsweringCall>(stream, std::move(take), std::move(on_closed));
    stream->Start({.on_message = [call](Request& request) { return call->OnMessage(request); },
                   .on_half_close = [call] { call->EndWhenAnswered(absl::OkStatus()); },
                   .on_closed = [call] { call->OnClosed(); }});
    drain_list.Add(call);
    return reactor;
  }

  AnsweringCall(std::shared_ptr<Stream> stream, Take take, std::function<void()> on_closed)
      : stream_(std::move(stream)), take_(std::move(take)), on_closed_(std::move(on_closed)) {}

  // An item of about so many octets is in progress; hand the result to its End.
  void Begin(size_t bytes) {
    absl::MutexLock lock(&mu_);
    ++items_;
    bytes_ += bytes;
  }

  // The item is done; `merge` adds its answer, if it has one.
  void End(size_t bytes, const std::function<void(Response&)>& merge) {
    if (merge) stream_->Send(merge);
    bool resume = false;
    std::optional<absl::Status> finish;
    {
      absl::MutexLock lock(&mu_);
      --items_;
      bytes_ -= bytes;
      if (is_paused_ && bytes_ <= kBytesMax / 2 && !end_.has_value()) {
        is_paused_ = false;
        resume = true;
      }
      if (items_ == 0) finish = end_;
    }
    if (resume) stream_->Resume();
    if (finish.has_value()) stream_->Finish(*finish);
  }

  void Drain() override { EndWhenAnswered(absl::UnavailableError("the spool is being shut down")); }

 private:
  bool OnMessage(Request& request) {
    {
      absl::MutexLock lock(&mu_);
      if (end_.has_value()) return false;  // the client repeats it over another stream
      ++items_;  // the request itself: nothing ends the call while its items are being taken
    }
    take_(*this, request);
    std::optional<absl::Status> finish;
    bool read_on = true;
    {
      absl::MutexLock lock(&mu_);
      --items_;
      if (items_ == 0) finish = end_;
      if (bytes_ > kBytesMax) {
        is_paused_ = true;
        read_on = false;
      }
    }
    if (finish.has_value()) stream_->Finish(*finish);
    return read_on;
  }

  void EndWhenAnswered(const absl::Status& status) {
    {
      absl::MutexLock lock(&mu_);
      if (end_.has_value()) return;
      end_ = status;
      if (items_ > 0) return;
    }
    stream_->Finish(status);
  }

  void OnClosed() {
    {
      absl::MutexLock lock(&mu_);
      if (!end_.has_value()) end_ = absl::CancelledError("the stream is closed");
    }
    if (on_closed_) on_closed_();
  }

  const std::shared_ptr<Stream> stream_;
  const Take take_;
  const std::function<void()> on_closed_;
  absl::Mutex mu_;
  size_t items_ ABSL_GUARDED_BY(mu_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_paused_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // once nothing new is taken
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_ANSWERING_CALL_H_
