#include "services/common/rpc/server.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/testing/echo_server.h"
#include "services/common/rpc/testing/health.pb.h"
#include "services/common/rpc/testing/recorder.h"

namespace turnpike::rpc::testing {
namespace {

std::unique_ptr<Server> StartServer(const Server::Options& options, grpc::Service* service) {
  auto server = Server::Start(options, {service});
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

grpc::Status Say(EchoService::Stub* stub, absl::Duration timeout = absl::Seconds(20)) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  SayRequest request;
  request.set_text("x");
  SayResponse response;
  return stub->Say(&context, request, &response);
}

// Calls until it works, as a client does that knows its call to be idempotent.
bool SaysEventually(EchoService::Stub* stub) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (absl::Now() < deadline) {
    if (Say(stub).ok()) return true;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return false;
}

// A call of any method, by its path, in octets.
std::pair<grpc::Status, std::string> Call(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::string& path, const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  const grpc::Slice slice(request);
  const grpc::ByteBuffer request_buffer(&slice, 1);
  grpc::ByteBuffer response_buffer;
  Recorder<grpc::Status> done;
  stub.UnaryCall(&context, path, grpc::StubOptions(), &request_buffer, &response_buffer,
                 [&done](const grpc::Status& status) { done.Add(status); });
  const grpc::Status status = done.WaitFor(1).at(0);
  std::string response;
  grpc::Slice joined;
  if (status.ok() && response_buffer.DumpToSingleSlice(&joined).ok()) {
    response.assign(reinterpret_cast<const char*>(joined.begin()), joined.size());
  }
  return {status, response};
}

std::optional<HealthCheckResponse::ServingStatus> Health(
    const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  HealthCheckRequest request;
  request.set_service(service);
  const auto [status, octets] =
      Call(channel, "/grpc.health.v1.Health/Check", request.SerializeAsString());
  HealthCheckResponse response;
  if (!status.ok() || !response.ParseFromString(octets)) return std::nullopt;
  return response.status();
}

TEST(ServerTest, ServesOnThePortThatItNames) {
  EchoServer service;
  auto server = StartServer({.listen = "127.0.0.1:0"}, &service);
  EXPECT_EQ(server->address().rfind("127.0.0.1:", 0), 0u) << server->address();
  auto stub = EchoService::NewStub(CreateChannel(server->address()));
  EXPECT_TRUE(Say(stub.get()).ok());
}

TEST(ServerTest, AddressInUseIsUnavailable) {
  EchoServer service;
  auto server = StartServer({.listen = "127.0.0.1:0"}, &service);
  EchoServer other;
  EXPECT_EQ(Server::Start({.listen = server->address()}, {&other}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(ServerTest, WhatIsNoAddressIsInvalid) {
  EchoServer service;
  for (const char* listen : {"", "127.0.0.1", "127.0.0.1:70000", "::1:80", "no.such.invalid.:x"}) {
    EXPECT_EQ(Server::Start({.listen = listen}, {&service}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << listen;
  }
  EXPECT_EQ(
      Server::Start({.listen = "127.0.0.1:0", .connections_max = 0}, {&service}).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(ServerTest, HealthFollowsSetServingForTheServerAndEachService) {
  EchoServer service;
  auto server = StartServer({.listen = "127.0.0.1:0"}, &service);
  const auto channel = CreateChannel(server->address());
  for (const std::string name : {"", "turnpike.rpc.testing.EchoService"}) {
    EXPECT_EQ(Health(channel, name), HealthCheckResponse::SERVING) << name;
    server->SetServing(false);
    EXPECT_EQ(Health(channel, name), HealthCheckResponse::NOT_SERVING) << name;
    server->SetServing(true);
    EXPECT_EQ(Health(channel, name), HealthCheckResponse::SERVING) << name;
  }
  EXPECT_EQ(Health(channel, "no.such.Service"), std::nullopt);
}

TEST(ServerTest, ReflectionIsThereOnlyWhenAskedFor) {
  for (const bool reflection : {false, true}) {
    EchoServer service;
    auto server = StartServer({.listen = "127.0.0.1:0", .reflection = reflection}, &service);
    const auto [status, response] =
        Call(CreateChannel(server->address()),
             "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "");
    EXPECT_EQ(status.error_code() != grpc::StatusCode::UNIMPLEMENTED, reflection)
        << status.error_message();
  }
}

TEST(ServerTest, ShutdownLetsACallFinishWithinTheDeadline) {
  Recorder<std::shared_ptr<ChatServerStream>> streams;
  EchoServer service([&](const std::shared_ptr<ChatServerStream>& stream) {
    return ChatServerStream::Callbacks{.on_message = [&streams, stream](ChatRequest&) {
      streams.Add(stream);
      return true;
    }};
  });
  auto server = StartServer({.listen = "127.0.0.1:0"}, &service);
  auto stub = EchoService::NewStub(CreateChannel(server->address()));
  Recorder<absl::Status> closed;
  auto stream = OpenChat(stub.get(), {.on_closed = [&](const absl::Status& s) { closed.Add(s); }});
  ChatRequest request;
  ASSERT_TRUE(stream->TryWrite(request));
  const auto server_stream = streams.WaitFor(1).at(0);
  std::thread finisher([&] {
    absl::SleepFor(absl::Milliseconds(100));
    server_stream->Finish(absl::OkStatus());
  });
  server->Shutdown(absl::Now() + absl::Seconds(20));
  finisher.join();
  EXPECT_TRUE(closed.WaitFor(1).at(0).ok());
  EXPECT_FALSE(Say(stub.get(), absl::Seconds(1)).ok());
}

TEST(ServerTest, RestartedServerIsFoundAgainByTheSameChannel) {
  EchoServer service;
  auto server = StartServer({.listen = "127.0.0.1:0"}, &service);
  const std::string address = server->address();
  auto stub = EchoService::NewStub(CreateChannel(address));
  ASSERT_TRUE(Say(stub.get()).ok());
  server.reset();
  EXPECT_FALSE(Say(stub.get(), absl::Seconds(1)).ok());
  server = StartServer({.listen = address}, &service);
  EXPECT_TRUE(SaysEventually(stub.get()));
}

TEST(ServerTest, ConnectionsOverTheLimitAreRefusedUntilOthersEnd) {
  EchoServer service;
  auto server = StartServer({.listen = "127.0.0.1:0", .connections_max = 2}, &service);
  // A channel of its own is a connection of its own.
  auto first = EchoService::NewStub(CreateChannel(server->address()));
  auto second = EchoService::NewStub(CreateChannel(server->address()));
  auto third = EchoService::NewStub(CreateChannel(server->address()));
  EXPECT_TRUE(Say(first.get()).ok());
  EXPECT_TRUE(Say(second.get()).ok());
  EXPECT_FALSE(Say(third.get(), absl::Seconds(1)).ok());
  first.reset();
  EXPECT_TRUE(SaysEventually(third.get()));
  EXPECT_TRUE(Say(second.get()).ok());
}

}  // namespace
}  // namespace turnpike::rpc::testing
