// The server's end of a bidirectional stream: reads are reported as they come, writes batch by
// themselves. Wraps gRPC's callback API.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_SERVER_STREAM_H_
#define TURNPIKE_SERVICES_COMMON_RPC_SERVER_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"

namespace turnpike::rpc {

// A handle to one call; thread-safe, may outlive the call (then it does nothing). Callbacks come
// one at a time, from gRPC's threads. They must not block: a process has few of these threads, and
// they serve all its calls.
template <typename Request, typename Response>
class ServerStream {
 public:
  // Any of them but on_message may be empty.
  struct Callbacks {
    // One request. The next is read when this has returned and not before Resume when it returned
    // false (back-pressure).
    std::function<bool(Request&)> on_message;
    // The client will send no more: it has half-closed, or it is gone, and on_closed follows.
    std::function<void()> on_half_close;
    // Everything that was sent is out: pending_bytes() was 0 a moment ago.
    std::function<void()> on_writable;
    // The call is over; last callback, always comes.
    std::function<void()> on_closed;
  };
  using Reactor = grpc::ServerBidiReactor<Request, Response>;

  // Makes the reactor to return from the service's method (gRPC owns it) and the handle to it.
  // Callbacks start after the method has returned it.
  static std::pair<Reactor*, std::shared_ptr<ServerStream>> Create();
  // Must be called once, before the reactor is returned.
  void Start(Callbacks callbacks);

  // Adds to the response that will go out next: `merge` is called with the pending response at
  // once, under the stream's lock. Everything merged while a write is under way goes out as one, so
  // the caller keeps pending_bytes() well below limits.h's kMessageBytesMax. Does nothing after
  // Finish and when the call is over. See send_batch.h for sending many at a time.
  void Send(const std::function<void(Response&)>& merge);
  // Reads on after an on_message that returned false; may come before it has returned. Does nothing
  // otherwise.
  void Resume();
  // Ends the call with `status` once everything is out. The first one counts. No on_message starts
  // after it.
  void Finish(const absl::Status& status);
  // Octets merged and not yet out, about (to stop sending content to a client that does not read).
  size_t pending_bytes() const;

 private:
  class Call;
  explicit ServerStream(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  std::shared_ptr<Call> call_;
};

}  // namespace turnpike::rpc

#include "services/common/rpc/server_stream_impl.h"  // IWYU pragma: export

#endif  // TURNPIKE_SERVICES_COMMON_RPC_SERVER_STREAM_H_
