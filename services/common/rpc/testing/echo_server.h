// The server side of echo.proto, made from what a test gives it.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_TESTING_ECHO_SERVER_H_
#define TURNPIKE_SERVICES_COMMON_RPC_TESTING_ECHO_SERVER_H_

#include <functional>
#include <memory>
#include <utility>

#include "services/common/rpc/client_stream.h"
#include "services/common/rpc/server_stream.h"
#include "services/common/rpc/testing/echo.grpc.pb.h"

namespace turnpike::rpc::testing {

using ChatServerStream = ServerStream<ChatRequest, ChatResponse>;
using ChatClientStream = ClientStream<ChatRequest, ChatResponse>;

// Compiled once, in echo_server.cc.
std::shared_ptr<ChatClientStream> OpenChat(EchoService::Stub* stub,
                                           ChatClientStream::Callbacks callbacks);

// Thread-safe if the handler is.
class EchoServer : public EchoService::CallbackService {
 public:
  // What to do with a new Chat; called in the method.
  using ChatHandler =
      std::function<ChatServerStream::Callbacks(const std::shared_ptr<ChatServerStream>&)>;

  // Chat echoes each request and finishes when the client has half-closed.
  EchoServer();
  explicit EchoServer(ChatHandler handler) : handler_(std::move(handler)) {}

  grpc::ServerUnaryReactor* Say(grpc::CallbackServerContext* context, const SayRequest* request,
                                SayResponse* response) override;
  grpc::ServerBidiReactor<ChatRequest, ChatResponse>* Chat(
      grpc::CallbackServerContext* context) override;

 private:
  const ChatHandler handler_;
};

}  // namespace turnpike::rpc::testing

#endif  // TURNPIKE_SERVICES_COMMON_RPC_TESTING_ECHO_SERVER_H_
