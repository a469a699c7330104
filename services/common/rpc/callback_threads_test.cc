#include "services/common/rpc/callback_threads.h"

#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/testing/echo_server.h"
#include "services/common/rpc/testing/recorder.h"

namespace turnpike::rpc::testing {
namespace {

TEST(CallbackThreadsTest, LastChannelMayGoWithinACallback) {
  for (int i = 0; i < 100; ++i) {
    // No server, so that the channel is all that uses the threads.
    auto channel = CreateChannel("127.0.0.1:1");
    auto stub = std::shared_ptr<EchoService::Stub>(EchoService::NewStub(std::move(channel)));
    Recorder<bool> closed;
    auto stream = OpenChat(stub.get(), {.on_closed = [&closed, stub](const absl::Status&) mutable {
                             stub.reset();
                             closed.Add(true);
                           }});
    stub.reset();
    ASSERT_EQ(closed.WaitFor(1).size(), 1u);
  }
}

TEST(CallbackThreadsTest, ServersAndChannelsMayComeAndGo) {
  for (int i = 0; i < 30; ++i) {
    EchoServer service;
    auto server = Server::Start({.listen = "127.0.0.1:0"}, {&service});
    ASSERT_TRUE(server.ok()) << server.status();
    auto stub = EchoService::NewStub(CreateChannel((*server)->address()));
    Recorder<absl::Status> closed;
    auto stream =
        OpenChat(stub.get(), {.on_closed = [&](const absl::Status& s) { closed.Add(s); }});
    stream->WritesDone();
    EXPECT_TRUE(closed.WaitFor(1).at(0).ok());
  }
}

TEST(CallbackThreadsTest, OnFewCoresOneThreadRunsAllCallbacks) {
  if (std::thread::hardware_concurrency() > 15) GTEST_SKIP() << "for machines of up to 15 cores";
  EchoServer service;
  auto server = Server::Start({.listen = "127.0.0.1:0"}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  auto stub = EchoService::NewStub(CreateChannel((*server)->address()));
  Recorder<std::thread::id> threads;
  for (int i = 0; i < 100; ++i) {
    auto stream = OpenChat(stub.get(), {.on_closed = [&threads](const absl::Status&) {
                             threads.Add(std::this_thread::get_id());
                           }});
    stream->WritesDone();
  }
  const std::vector<std::thread::id> ids = threads.WaitFor(100);
  ASSERT_EQ(ids.size(), 100u);
  EXPECT_EQ(std::set<std::thread::id>(ids.begin(), ids.end()).size(), 1u);
}

}  // namespace
}  // namespace turnpike::rpc::testing
