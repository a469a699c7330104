#include "services/common/rpc/callback_threads.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <memory>

namespace turnpike::rpc {
namespace {

// A channel holds the threads from its first callback call on. Without credentials it leads
// nowhere: the call fails at once, without the network.
struct Keeper {
  Keeper() : channel(grpc::CreateChannel("nowhere", nullptr)), stub(channel) {
    stub.UnaryCall(&context, "/none/None", grpc::StubOptions(), &request, &response,
                   [](const grpc::Status&) {});
  }

  std::shared_ptr<grpc::Channel> channel;
  grpc::GenericStub stub;
  grpc::ClientContext context;
  const grpc::Slice nothing;
  const grpc::ByteBuffer request{&nothing, 1};
  grpc::ByteBuffer response;
};

}  // namespace

void KeepCallbackThreads() {
  // Lives for ever. Used, so that the pointer stays too: LeakSanitizer looks for it.
  [[gnu::used]] static const Keeper* const keeper = new Keeper;
}

}  // namespace turnpike::rpc
