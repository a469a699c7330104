#include "services/common/rpc/send_batch.h"

#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/testing/echo_server.h"
#include "services/common/rpc/testing/recorder.h"

namespace turnpike::rpc::testing {
namespace {

TEST(SendBatchTest, EndsWithTheOutermostOne) {
  std::string order;
  {
    SendBatch outer;
    EXPECT_EQ(SendBatch::Current(), &outer);
    outer.Add([&] { order += 'a'; });
    {
      SendBatch inner;
      EXPECT_EQ(SendBatch::Current(), &outer);
      SendBatch::Current()->Add([&] { order += 'b'; });
    }
    EXPECT_EQ(order, "");
  }
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(SendBatch::Current(), nullptr);
}

// How many texts each response to one request had; the server answers by `answer`.
std::vector<size_t> ResponseSizes(
    const std::function<void(const std::shared_ptr<ChatServerStream>&)>& answer) {
  EchoServer service([&](const std::shared_ptr<ChatServerStream>& stream) {
    return ChatServerStream::Callbacks{.on_message = [stream, &answer](ChatRequest&) {
      answer(stream);
      return true;
    }};
  });
  auto server = Server::Start({.listen = "127.0.0.1:0"}, {&service});
  EXPECT_TRUE(server.ok()) << server.status();
  auto stub = EchoService::NewStub(CreateChannel((*server)->address()));
  Recorder<size_t> sizes;
  Recorder<bool> closed;
  auto stream =
      OpenChat(stub.get(),
               {.on_message =
                    [&sizes](ChatResponse& response) {
                      sizes.Add(static_cast<size_t>(response.texts_size()));
                    },
                .on_closed = [&closed](const absl::Status& status) { closed.Add(status.ok()); }});
  ChatRequest request;
  request.add_texts("go");
  stream->TryWrite(request);
  EXPECT_EQ(closed.WaitFor(1), std::vector<bool>{true});
  return sizes.values();
}

void SendTexts(const std::shared_ptr<ChatServerStream>& stream, int count) {
  for (int i = 0; i < count; ++i) {
    stream->Send([i](ChatResponse& response) { response.add_texts(absl::StrCat(i)); });
  }
}

TEST(SendBatchTest, WhatIsSentWithinGoesOutAsOneResponse) {
  const auto sizes = ResponseSizes([](const std::shared_ptr<ChatServerStream>& stream) {
    {
      SendBatch batch;
      SendTexts(stream, 100);
    }
    stream->Finish(absl::OkStatus());
  });
  EXPECT_EQ(sizes, std::vector<size_t>{100});
}

TEST(SendBatchTest, FinishWithinWaitsForWhatIsHeldBack) {
  const auto sizes = ResponseSizes([](const std::shared_ptr<ChatServerStream>& stream) {
    SendBatch batch;
    SendTexts(stream, 10);
    stream->Finish(absl::OkStatus());
    SendTexts(stream, 10);  // nothing follows a Finish
  });
  EXPECT_EQ(sizes, std::vector<size_t>{10});
}

TEST(SendBatchTest, AnotherThreadTakesAlongWhatIsHeldBack) {
  const auto sizes = ResponseSizes([](const std::shared_ptr<ChatServerStream>& stream) {
    {
      SendBatch batch;
      SendTexts(stream, 10);
      std::thread([stream] { SendTexts(stream, 1); }).join();
    }
    stream->Finish(absl::OkStatus());
  });
  EXPECT_EQ(sizes, std::vector<size_t>{11});
}

}  // namespace
}  // namespace turnpike::rpc::testing
