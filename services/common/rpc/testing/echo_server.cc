#include "services/common/rpc/testing/echo_server.h"

#include <string>

#include "absl/status/status.h"

namespace turnpike::rpc::testing {
namespace {

ChatServerStream::Callbacks Echo(const std::shared_ptr<ChatServerStream>& stream) {
  return {.on_message =
              [stream](ChatRequest& request) {
                stream->Send([&request](ChatResponse& response) {
                  response.mutable_texts()->MergeFrom(request.texts());
                });
                return true;
              },
          .on_half_close = [stream] { stream->Finish(absl::OkStatus()); }};
}

// Ends when the client cancels.
class SilentReactor : public grpc::ServerUnaryReactor {
 public:
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }
};

}  // namespace

std::shared_ptr<ChatClientStream> OpenChat(EchoService::Stub* stub,
                                           ChatClientStream::Callbacks callbacks) {
  return ChatClientStream::Open(
      [stub](grpc::ClientContext* context, ChatClientStream::Reactor* reactor) {
        stub->async()->Chat(context, reactor);
      },
      std::move(callbacks));
}

EchoServer::EchoServer() : EchoServer(Echo) {}

grpc::ServerUnaryReactor* EchoServer::Say(grpc::CallbackServerContext* context,
                                          const SayRequest* request, SayResponse* response) {
  if (request->never_answer()) return new SilentReactor;
  response->set_text(request->text());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(request->fail_with_code() == 0
                      ? grpc::Status::OK
                      : grpc::Status(static_cast<grpc::StatusCode>(request->fail_with_code()),
                                     request->text()));
  return reactor;
}

grpc::ServerBidiReactor<ChatRequest, ChatResponse>* EchoServer::Chat(grpc::CallbackServerContext*) {
  auto [reactor, stream] = ChatServerStream::Create();
  stream->Start(handler_(stream));
  return reactor;
}

}  // namespace turnpike::rpc::testing
