// The two ends of a stream against each other.
#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/client_stream.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/server_stream.h"
#include "services/common/rpc/testing/echo_server.h"
#include "services/common/rpc/testing/recorder.h"

namespace turnpike::rpc::testing {
namespace {

// A server with one service, and a client of it.
class Pair {
 public:
  explicit Pair(EchoServer::ChatHandler handler) : service_(std::move(handler)) { Begin(); }
  Pair() { Begin(); }
  ~Pair() { server_->Shutdown(absl::Now()); }

  EchoService::Stub* stub() { return stub_.get(); }
  Server& server() { return *server_; }

 private:
  void Begin() {
    auto server = Server::Start({.listen = "127.0.0.1:0"}, {&service_});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = EchoService::NewStub(CreateChannel(server_->address()));
  }

  EchoServer service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<EchoService::Stub> stub_;
};

// What a client stream reports.
struct ClientRecord {
  Recorder<std::vector<std::string>> messages;
  Recorder<bool> writable;
  Recorder<absl::Status> closed;

  ChatClientStream::Callbacks Callbacks() {
    return {.on_message =
                [this](ChatResponse& response) {
                  messages.Add({response.texts().begin(), response.texts().end()});
                },
            .on_writable = [this] { writable.Add(true); },
            .on_closed = [this](const absl::Status& status) { closed.Add(status); }};
  }

  std::vector<std::string> WaitForTexts(size_t count) {
    std::vector<std::string> texts;
    for (size_t messages_wanted = 1; texts.size() < count; ++messages_wanted) {
      const auto all = messages.WaitFor(messages_wanted);
      texts.clear();
      for (const auto& message : all) texts.insert(texts.end(), message.begin(), message.end());
      if (all.size() < messages_wanted) break;
    }
    return texts;
  }
};

ChatRequest Request(const std::vector<std::string>& texts) {
  ChatRequest request;
  for (const std::string& text : texts) request.add_texts(text);
  return request;
}

TEST(StreamTest, EchoesAndEndsWithTheServersStatus) {
  Pair pair;
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  ChatRequest request = Request({"one", "two"});
  EXPECT_TRUE(stream->TryWrite(request));
  EXPECT_EQ(request.texts_size(), 0);
  EXPECT_EQ(record.WaitForTexts(2), (std::vector<std::string>{"one", "two"}));
  stream->WritesDone();
  EXPECT_EQ(record.closed.WaitFor(1), std::vector<absl::Status>{absl::OkStatus()});
}

TEST(StreamTest, LeavesTheRequestAloneWhileAWriteIsUnderWayAndSaysWhenItIsOut) {
  Pair pair;
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  ChatRequest first = Request({std::string(1 << 20, 'x')});
  ASSERT_TRUE(stream->TryWrite(first));
  ChatRequest second = Request({"second"});
  size_t writes = 1;
  while (!stream->TryWrite(second)) {
    ASSERT_EQ(second.texts_size(), 1);
    ASSERT_EQ(record.writable.WaitFor(writes).size(), writes);
  }
  EXPECT_EQ(record.WaitForTexts(2).size(), 2u);
  stream->Cancel();
  EXPECT_EQ(record.closed.WaitFor(1)[0].code(), absl::StatusCode::kCancelled);
}

TEST(StreamTest, SendsInOneResponseWhatIsMergedWhileAWriteIsUnderWay) {
  constexpr int kTexts = 5000;
  Recorder<bool> done;
  Pair pair([&](const std::shared_ptr<ChatServerStream>& stream) {
    return ChatServerStream::Callbacks{.on_message = [stream, &done](ChatRequest&) {
      for (int i = 0; i < kTexts; ++i) {
        stream->Send([i](ChatResponse& response) { response.add_texts(absl::StrCat(i)); });
      }
      stream->Finish(absl::OkStatus());
      done.Add(true);
      return true;
    }};
  });
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  ChatRequest request = Request({"go"});
  ASSERT_TRUE(stream->TryWrite(request));
  const auto closed = record.closed.WaitFor(1);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_TRUE(closed[0].ok()) << closed[0];
  const std::vector<std::string> texts = record.WaitForTexts(kTexts);
  ASSERT_EQ(texts.size(), static_cast<size_t>(kTexts));
  for (int i = 0; i < kTexts; ++i) EXPECT_EQ(texts[i], absl::StrCat(i));
  EXPECT_LT(record.messages.values().size(), static_cast<size_t>(kTexts) / 2);
}

TEST(StreamTest, SendsFromManyThreadsArriveCompleteWithNoCallbackAtTheSameTime) {
  constexpr int kThreads = 4;
  constexpr int kTextsPerThread = 2000;
  std::atomic<int> senders_left{kThreads};
  std::vector<std::thread> threads;
  Pair pair([&](const std::shared_ptr<ChatServerStream>& stream) {
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([stream, &senders_left] {
        for (int i = 0; i < kTextsPerThread; ++i) {
          stream->Send([](ChatResponse& response) { response.add_texts("x"); });
        }
        if (senders_left.fetch_sub(1) == 1) stream->Finish(absl::OkStatus());
      });
    }
    return ChatServerStream::Callbacks{.on_message = [](ChatRequest&) { return true; }};
  });
  std::atomic<int> inside{0};
  std::atomic<int> texts{0};
  ClientRecord record;
  ChatClientStream::Callbacks callbacks = record.Callbacks();
  callbacks.on_message = [&](ChatResponse& response) {
    EXPECT_EQ(inside.fetch_add(1), 0);
    texts.fetch_add(response.texts_size());
    inside.fetch_sub(1);
  };
  auto stream = OpenChat(pair.stub(), std::move(callbacks));
  EXPECT_TRUE(record.closed.WaitFor(1)[0].ok());
  EXPECT_EQ(texts, kThreads * kTextsPerThread);
  for (std::thread& thread : threads) thread.join();
}

TEST(StreamTest, WritesFromManyThreadsArriveEachOnce) {
  constexpr int kThreads = 4;
  constexpr int kTextsPerThread = 500;
  std::atomic<int> received{0};
  Pair pair([&](const std::shared_ptr<ChatServerStream>& stream) {
    return ChatServerStream::Callbacks{
        .on_message =
            [&received](ChatRequest& request) {
              received.fetch_add(request.texts_size());
              return true;
            },
        .on_half_close = [stream] { stream->Finish(absl::OkStatus()); }};
  });
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTextsPerThread; ++i) {
        ChatRequest request = Request({"x"});
        while (!stream->TryWrite(request)) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stream->WritesDone();
  EXPECT_TRUE(record.closed.WaitFor(1)[0].ok());
  EXPECT_EQ(received, kThreads * kTextsPerThread);
}

TEST(StreamTest, ReadsNothingUntilResumeAfterBackPressure) {
  Recorder<std::string> received;
  Recorder<std::shared_ptr<ChatServerStream>> streams;
  Pair pair([&](const std::shared_ptr<ChatServerStream>& stream) {
    streams.Add(stream);
    return ChatServerStream::Callbacks{
        .on_message =
            [&received](ChatRequest& request) {
              received.Add(request.texts(0));
              return false;
            },
        .on_half_close = [stream] { stream->Finish(absl::OkStatus()); }};
  });
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  for (int i = 0; i < 3; ++i) {
    ChatRequest request = Request({absl::StrCat(i)});
    ASSERT_TRUE(stream->TryWrite(request));
    ASSERT_EQ(record.writable.WaitFor(i + 1).size(), i + 1u);
  }
  stream->WritesDone();
  const std::shared_ptr<ChatServerStream> server_stream = streams.WaitFor(1)[0];
  for (size_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(received.WaitFor(i).size(), i);
    server_stream->Resume();
  }
  EXPECT_TRUE(record.closed.WaitFor(1)[0].ok());
  EXPECT_EQ(received.values(), (std::vector<std::string>{"0", "1", "2"}));
}

TEST(StreamTest, ResumeWithinTheCallbackCounts) {
  Recorder<std::string> received;
  Pair pair([&](const std::shared_ptr<ChatServerStream>& stream) {
    return ChatServerStream::Callbacks{
        .on_message =
            [&received, stream](ChatRequest& request) {
              received.Add(request.texts(0));
              stream->Resume();
              return false;
            },
        .on_half_close = [stream] { stream->Finish(absl::OkStatus()); }};
  });
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  for (int i = 0; i < 3; ++i) {
    ChatRequest request = Request({absl::StrCat(i)});
    ASSERT_TRUE(stream->TryWrite(request));
    ASSERT_EQ(record.writable.WaitFor(i + 1).size(), i + 1u);
  }
  stream->WritesDone();
  EXPECT_TRUE(record.closed.WaitFor(1)[0].ok());
  EXPECT_EQ(received.values().size(), 3u);
}

TEST(StreamTest, CountsWhatAClientDoesNotTakeAndSaysWhenItHas) {
  Recorder<std::shared_ptr<ChatServerStream>> streams;
  Recorder<bool> writable;
  Pair pair([&](const std::shared_ptr<ChatServerStream>& stream) {
    streams.Add(stream);
    return ChatServerStream::Callbacks{.on_message = [](ChatRequest&) { return true; },
                                       .on_writable = [&writable] { writable.Add(true); }};
  });
  std::mutex reading;  // held: the client reads no further
  reading.lock();
  ClientRecord record;
  ChatClientStream::Callbacks callbacks = record.Callbacks();
  callbacks.on_message = [&](ChatResponse&) { const std::lock_guard<std::mutex> lock(reading); };
  auto stream = OpenChat(pair.stub(), std::move(callbacks));
  const std::shared_ptr<ChatServerStream> server_stream = streams.WaitFor(1)[0];
  EXPECT_EQ(server_stream->pending_bytes(), 0u);
  // The first fills what the network takes.
  for (int i = 0; i < 6; ++i) {
    server_stream->Send(
        [](ChatResponse& response) { response.add_texts(std::string(1 << 20, 'x')); });
  }
  EXPECT_GT(server_stream->pending_bytes(), size_t{1} << 20);
  reading.unlock();
  for (size_t count = 1; server_stream->pending_bytes() > 0; ++count) {
    // There may be more: each time that nothing was left for a moment.
    EXPECT_GE(writable.WaitFor(count).size(), count);
    if (writable.values().size() < count) break;
  }
  stream->Cancel();
  record.closed.WaitFor(1);
}

TEST(StreamTest, ServerLearnsOfACancelledCallWhilePaused) {
  Recorder<bool> received;
  Recorder<bool> closed;
  Recorder<std::shared_ptr<ChatServerStream>> streams;
  Pair pair([&](const std::shared_ptr<ChatServerStream>& stream) {
    streams.Add(stream);
    return ChatServerStream::Callbacks{.on_message =
                                           [&received](ChatRequest&) {
                                             received.Add(true);
                                             return false;
                                           },
                                       .on_closed = [&closed] { closed.Add(true); }};
  });
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  ChatRequest request = Request({"x"});
  ASSERT_TRUE(stream->TryWrite(request));
  received.WaitFor(1);
  stream->Cancel();
  EXPECT_EQ(closed.WaitFor(1).size(), 1u);
  EXPECT_EQ(record.closed.WaitFor(1)[0].code(), absl::StatusCode::kCancelled);
  // The handle may outlive the call.
  const std::shared_ptr<ChatServerStream> server_stream = streams.WaitFor(1)[0];
  server_stream->Send([](ChatResponse& response) { response.add_texts("late"); });
  server_stream->Resume();
  server_stream->Finish(absl::OkStatus());
  EXPECT_EQ(server_stream->pending_bytes(), 0u);
  ChatRequest late = Request({"late"});
  EXPECT_FALSE(stream->TryWrite(late));
  stream->WritesDone();
  stream->Cancel();
}

TEST(StreamTest, ServerFinishesWithAnErrorAfterWhatItSent) {
  Pair pair([](const std::shared_ptr<ChatServerStream>& stream) {
    return ChatServerStream::Callbacks{.on_message = [stream](ChatRequest&) {
      stream->Send([](ChatResponse& response) { response.add_texts("last words"); });
      stream->Finish(absl::InvalidArgumentError("no `open` first"));
      stream->Finish(absl::OkStatus());  // does not count
      return true;
    }};
  });
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  ChatRequest request = Request({"x"});
  ASSERT_TRUE(stream->TryWrite(request));
  EXPECT_EQ(record.closed.WaitFor(1)[0], absl::InvalidArgumentError("no `open` first"));
  EXPECT_EQ(record.WaitForTexts(1), std::vector<std::string>{"last words"});
}

TEST(StreamTest, FinishInTheMethodItselfRefusesTheCall) {
  Pair pair([](const std::shared_ptr<ChatServerStream>& stream) {
    stream->Finish(absl::UnavailableError("draining"));
    return ChatServerStream::Callbacks{.on_message = [](ChatRequest&) { return true; }};
  });
  ClientRecord record;
  auto stream = OpenChat(pair.stub(), record.Callbacks());
  EXPECT_EQ(record.closed.WaitFor(1)[0], absl::UnavailableError("draining"));
}

TEST(StreamTest, BothEndsCloseWhenTheServerIsShutDownWithOpenStreams) {
  constexpr int kStreams = 20;
  Recorder<bool> server_closed;
  Recorder<bool> received;
  auto pair = std::make_unique<Pair>([&](const std::shared_ptr<ChatServerStream>&) {
    return ChatServerStream::Callbacks{.on_message =
                                           [&received](ChatRequest&) {
                                             received.Add(true);
                                             return true;
                                           },
                                       .on_closed = [&server_closed] { server_closed.Add(true); }};
  });
  ClientRecord record;
  std::vector<std::shared_ptr<ChatClientStream>> streams;
  for (int i = 0; i < kStreams; ++i) {
    streams.push_back(OpenChat(pair->stub(), record.Callbacks()));
    ChatRequest request = Request({"x"});
    ASSERT_TRUE(streams.back()->TryWrite(request));
  }
  ASSERT_EQ(received.WaitFor(kStreams).size(), size_t{kStreams});
  pair->server().Shutdown(absl::Now() + absl::Milliseconds(50));
  EXPECT_EQ(server_closed.WaitFor(kStreams).size(), size_t{kStreams});
  const auto closed = record.closed.WaitFor(kStreams);
  ASSERT_EQ(closed.size(), size_t{kStreams});
  for (const absl::Status& status : closed) EXPECT_FALSE(status.ok());
  pair.reset();
}

TEST(StreamTest, ClosesWithUnavailableWhenThereIsNoServer) {
  auto stub = EchoService::NewStub(CreateChannel("127.0.0.1:1"));
  ClientRecord record;
  auto stream = OpenChat(stub.get(), record.Callbacks());
  ChatRequest request = Request({"x"});
  stream->TryWrite(request);
  const auto closed = record.closed.WaitFor(1);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(record.writable.values().empty());
}

TEST(StreamTest, CallGoesOnWithoutItsHandle) {
  Pair pair;
  ClientRecord record;
  {
    auto stream = OpenChat(pair.stub(), record.Callbacks());
    ChatRequest request = Request({"x"});
    ASSERT_TRUE(stream->TryWrite(request));
    stream->WritesDone();
  }
  EXPECT_TRUE(record.closed.WaitFor(1)[0].ok());
  EXPECT_EQ(record.WaitForTexts(1), std::vector<std::string>{"x"});
}

// Opens, cancels and shuts down at random moments; for the sanitizers.
TEST(StreamTest, SurvivesCancelsFinishesAndWritesThatCross) {
  constexpr int kRounds = 200;
  Recorder<bool> server_closed;
  Pair pair([&](const std::shared_ptr<ChatServerStream>& stream) {
    auto sender = std::make_shared<std::thread>();
    *sender = std::thread([stream] {
      for (int i = 0; i < 20; ++i) {
        stream->Send([](ChatResponse& response) { response.add_texts("x"); });
      }
      stream->Finish(absl::OkStatus());
    });
    return ChatServerStream::Callbacks{.on_message = [](ChatRequest&) { return true; },
                                       .on_closed =
                                           [&server_closed, sender] {
                                             sender->join();
                                             server_closed.Add(true);
                                           }};
  });
  ClientRecord record;
  for (int i = 0; i < kRounds; ++i) {
    auto stream = OpenChat(pair.stub(), record.Callbacks());
    for (int j = 0; j < i % 7; ++j) {
      ChatRequest request = Request({"x"});
      stream->TryWrite(request);
    }
    if (i % 3 == 0) stream->WritesDone();
    if (i % 2 == 0) stream->Cancel();
  }
  EXPECT_EQ(record.closed.WaitFor(kRounds).size(), size_t{kRounds});
}

}  // namespace
}  // namespace turnpike::rpc::testing
