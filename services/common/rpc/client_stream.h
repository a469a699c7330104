// The client's end of a long-lived bidirectional stream: writes are queued and go out one after
// another, reads are reported as they come. Wraps gRPC's callback API; knows no reconnecting (its
// owner opens a new one).
#ifndef TURNPIKE_SERVICES_COMMON_RPC_CLIENT_STREAM_H_
#define TURNPIKE_SERVICES_COMMON_RPC_CLIENT_STREAM_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <functional>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

namespace turnpike::rpc {

// Thread-safe. Callbacks come one at a time, from gRPC's threads, perhaps before Open has returned.
// They must not block: a process has few of these threads, and they serve all its calls. The call
// goes on without its handle; whoever lets go of one that is no longer wanted cancels it first.
//
//   auto stream = ClientStream<AskRequest, AskResponse>::Open(
//       [&](grpc::ClientContext* context, auto* reactor) { stub->async()->Ask(context, reactor); },
//       {.on_message = …, .on_writable = …, .on_closed = …});
template <typename Request, typename Response>
class ClientStream {
 public:
  // Any of them may be empty.
  struct Callbacks {
    std::function<void(Response&)> on_message;
    // The last Write is out: the owner may gather what has come up meanwhile into the next one, so
    // that requests batch by themselves. May call TryWrite.
    std::function<void()> on_writable;
    // The stream is over; the last callback, always comes.
    std::function<void(absl::Status)> on_closed;
  };
  using Reactor = grpc::ClientBidiReactor<Request, Response>;

  // `start` is called once, before Open returns.
  static std::shared_ptr<ClientStream> Open(
      const std::function<void(grpc::ClientContext*, Reactor*)>& start, Callbacks callbacks);

  // Takes `request`, and leaves an empty one, if no write is under way (true); otherwise leaves it
  // alone: on_writable follows, or on_closed if the stream is ending.
  bool TryWrite(Request& request);
  // Half-closes once the write under way is out. No TryWrite succeeds after it.
  void WritesDone();
  // Ends the call at once; on_closed follows with CANCELLED, unless the call had ended already.
  void Cancel();

 private:
  class Call;
  explicit ClientStream(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  std::shared_ptr<Call> call_;
};

}  // namespace turnpike::rpc

#include "services/common/rpc/client_stream_impl.h"  // IWYU pragma: export

#endif  // TURNPIKE_SERVICES_COMMON_RPC_CLIENT_STREAM_H_
