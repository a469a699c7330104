// Streams in clear. TLS is in stream_tls_test.cc.
#include "services/common/net/stream.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "services/common/net/testing/run.h"
#include "services/common/net/testing/socket_pair.h"

namespace turnpike::net {
namespace {

using testing::RunToEnd;
using StatusOrCount = absl::StatusOr<size_t>;

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }
absl::Time AtOnce() { return absl::Now() + absl::Milliseconds(50); }

class StreamTest : public ::testing::Test {
 protected:
  StreamTest() {
    auto [server, client] = testing::ConnectedSockets(context_);
    server_ = std::make_unique<Stream>(std::move(server));
    client_ = std::make_unique<Stream>(std::move(client));
  }

  asio::io_context context_;
  std::unique_ptr<Stream> server_;
  std::unique_ptr<Stream> client_;
};

// --- Steps of the tests. They take what they work on by pointer, and capture nothing.

asio::awaitable<void> Write(Stream* stream, std::string bytes) {
  const absl::Status status = co_await stream->Write(bytes, Soon());
  EXPECT_TRUE(status.ok()) << status;
}

asio::awaitable<void> WriteAndClose(Stream* stream, std::string bytes) {
  co_await Write(stream, std::move(bytes));
  stream->Close();
}

asio::awaitable<void> ReadAll(Stream* stream, std::string* all) {
  char buffer[10'000];
  while (true) {
    const StatusOrCount count = co_await stream->Read(absl::MakeSpan(buffer), Soon());
    EXPECT_TRUE(count.ok()) << count.status();
    if (!count.ok() || *count == 0) co_return;
    all->append(buffer, *count);
  }
}

asio::awaitable<void> ReadOnce(Stream* stream, absl::Time deadline, StatusOrCount* result) {
  char buffer[100];
  *result = co_await stream->Read(absl::MakeSpan(buffer), deadline);
}

asio::awaitable<void> WriteUntilError(Stream* stream, absl::Duration timeout,
                                      absl::Status* result) {
  const std::string bytes(1 << 20, 'x');
  do {
    *result = co_await stream->Write(bytes, absl::Now() + timeout);
  } while (result->ok());
}

asio::awaitable<void> CloseAfter(Stream* stream, absl::Duration wait) {
  asio::steady_timer timer(stream->executor());
  timer.expires_after(absl::ToChronoMilliseconds(wait));
  co_await timer.async_wait(asio::use_awaitable);
  stream->Close();
}

asio::awaitable<void> DestroyAfter(std::unique_ptr<Stream>* stream, absl::Duration wait) {
  asio::steady_timer timer((*stream)->executor());
  timer.expires_after(absl::ToChronoMilliseconds(wait));
  co_await timer.async_wait(asio::use_awaitable);
  stream->reset();
}

asio::awaitable<void> CloseGracefully(Stream* stream) { co_await stream->CloseGracefully(); }

asio::awaitable<void> Connect(asio::ip::tcp::endpoint endpoint, asio::ip::address source,
                              absl::Time deadline,
                              absl::StatusOr<std::unique_ptr<Stream>>* result) {
  *result = co_await Stream::Connect(endpoint, deadline, source);
}

// ---

TEST_F(StreamTest, CarriesMuchAndReportsTheEnd) {
  const std::string much(5'000'000, 'm');
  std::string at_server;
  RunToEnd(context_, WriteAndClose(client_.get(), much), ReadAll(server_.get(), &at_server));
  EXPECT_EQ(at_server, much);
}

TEST_F(StreamTest, EndIsReportedAgain) {
  client_->Close();
  for (int i = 0; i < 2; ++i) {
    StatusOrCount result = 7u;
    RunToEnd(context_, ReadOnce(server_.get(), Soon(), &result));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(*result, 0u);
  }
}

TEST_F(StreamTest, ReadEndsAtItsDeadline) {
  StatusOrCount result = 0u;
  const absl::Time before = absl::Now();
  RunToEnd(context_, ReadOnce(server_.get(), AtOnce(), &result));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(50));
}

TEST_F(StreamTest, ShortDeadlineAfterALongOneIsKept) {
  StatusOrCount result = 0u;
  RunToEnd(context_, Write(client_.get(), "x"), ReadOnce(server_.get(), Soon(), &result));
  EXPECT_EQ(*result, 1u);
  RunToEnd(context_, ReadOnce(server_.get(), AtOnce(), &result));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(StreamTest, DeadlineInThePastTakesWhatIsThere) {
  StatusOrCount result = 0u;
  RunToEnd(context_, Write(client_.get(), "there"));
  RunToEnd(context_, ReadOnce(server_.get(), absl::InfinitePast(), &result));
  EXPECT_EQ(*result, 5u);
  RunToEnd(context_, ReadOnce(server_.get(), absl::InfinitePast(), &result));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(StreamTest, WriteEndsAtItsDeadlineWhenThePeerDoesNotRead) {
  absl::Status result;
  RunToEnd(context_, WriteUntilError(server_.get(), absl::Milliseconds(50), &result));
  EXPECT_EQ(result.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(StreamTest, DeadlineOfAWriteDoesNotEndARead) {
  StatusOrCount read = 0u;
  absl::Status written;
  struct Steps {
    static asio::awaitable<void> WriteThenFeedPeer(Stream* server, Stream* client,
                                                   absl::Status* written) {
      co_await WriteUntilError(server, absl::Milliseconds(50), written);
      co_await Write(client, "still heard");
    }
  };
  RunToEnd(context_, ReadOnce(server_.get(), Soon(), &read),
           Steps::WriteThenFeedPeer(server_.get(), client_.get(), &written));
  EXPECT_EQ(written.code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, 11u);
}

TEST_F(StreamTest, CloseEndsAWaitingRead) {
  StatusOrCount result = 0u;
  RunToEnd(context_, ReadOnce(server_.get(), Soon(), &result),
           CloseAfter(server_.get(), absl::Milliseconds(20)));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  RunToEnd(context_, ReadOnce(server_.get(), Soon(), &result));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(StreamTest, DestructionEndsAWaitingRead) {
  StatusOrCount result = 0u;
  RunToEnd(context_, ReadOnce(server_.get(), Soon(), &result),
           DestroyAfter(&server_, absl::Milliseconds(20)));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(StreamTest, BrokenConnectionIsUnavailable) {
  asio::io_context context;
  auto [server, client] = testing::ConnectedSockets(context);
  Stream stream(std::move(server));
  client.set_option(asio::socket_base::linger(true, 0));
  client.close();  // a reset
  StatusOrCount read = 0u;
  RunToEnd(context, ReadOnce(&stream, Soon(), &read));
  EXPECT_EQ(read.status().code(), absl::StatusCode::kUnavailable);
  absl::Status written;
  RunToEnd(context, WriteUntilError(&stream, absl::Seconds(20), &written));
  EXPECT_EQ(written.code(), absl::StatusCode::kUnavailable);
}

TEST_F(StreamTest, GracefulCloseDeliversTheLastWordsToAPeerThatIsStillTalking) {
  // What the server never reads would make a plain close a reset.
  RunToEnd(context_, Write(client_.get(), "unread"));
  RunToEnd(context_, Write(server_.get(), "last words"));
  std::string at_client;
  struct Steps {
    static asio::awaitable<void> ReadLater(Stream* stream, std::string* all) {
      co_await ReadAll(stream, all);
      stream->Close();
    }
  };
  RunToEnd(context_, CloseGracefully(server_.get()), Steps::ReadLater(client_.get(), &at_client));
  EXPECT_EQ(at_client, "last words");
}

TEST_F(StreamTest, LastWordsThatWaitForTheCloseAreAllDelivered) {
  for (const size_t bytes : {10, 100'000}) {
    auto [server, client] = testing::ConnectedSockets(context_);
    Stream from(std::move(server));
    Stream to(std::move(client));
    from.ExpectClose();
    std::string received;
    RunToEnd(context_, WriteAndClose(&from, std::string(bytes, 'x')), ReadAll(&to, &received));
    EXPECT_EQ(received.size(), bytes);
  }
}

TEST_F(StreamTest, LastWordsReachAPeerWhoseOwnWereNotRead) {
  struct Steps {
    static asio::awaitable<void> Run(Stream* from, Stream* to) {
      co_await Write(to, "and another thing");
      from->ExpectClose();
      co_await WriteAndClose(from, "221 bye");
      char buffer[100];
      const StatusOrCount count = co_await to->Read(absl::MakeSpan(buffer), Soon());
      EXPECT_TRUE(count.ok()) << count.status();
      if (count.ok()) {
        EXPECT_EQ(std::string(buffer, *count), "221 bye");
      }
    }
  };
  RunToEnd(context_, Steps::Run(server_.get(), client_.get()));
}

TEST_F(StreamTest, GracefulCloseDoesNotWaitForAPeerThatStays) {
  const absl::Time before = absl::Now();
  RunToEnd(context_, CloseGracefully(server_.get()));
  EXPECT_LT(absl::Now() - before, absl::Seconds(5));
}

TEST_F(StreamTest, OneStreamWithMuchToReadDoesNotStarveAnother) {
  auto [other_server_socket, other_client_socket] = testing::ConnectedSockets(context_);
  Stream other_server(std::move(other_server_socket));
  Stream other_client(std::move(other_client_socket));
  struct Steps {
    static asio::awaitable<void> Echo(Stream* stream, const bool* stop) {
      char octet[1];
      while (!*stop) {
        if (!(co_await stream->Read(absl::MakeSpan(octet), AtOnce())).ok()) co_return;
      }
    }
    static asio::awaitable<void> Flood(Stream* stream, const bool* stop) {
      const std::string bytes(1000, 'x');
      while (!*stop) {
        if (!(co_await stream->Write(bytes, AtOnce())).ok()) co_return;
      }
    }
    static asio::awaitable<void> ReadThenStop(Stream* stream, bool* stop) {
      StatusOrCount result = 0u;
      co_await ReadOnce(stream, Soon(), &result);
      EXPECT_TRUE(result.ok());
      *stop = true;
    }
  };
  bool stop = false;
  RunToEnd(context_, Steps::Echo(server_.get(), &stop), Steps::Flood(client_.get(), &stop),
           Steps::ReadThenStop(&other_server, &stop), Write(&other_client, "x"));
  EXPECT_TRUE(stop);
}

TEST(StreamConnectTest, ConnectsFromTheSourceThatItIsTold) {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context,
                                   asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  absl::StatusOr<std::unique_ptr<Stream>> result = absl::UnknownError("");
  const asio::ip::address source = asio::ip::make_address("127.0.0.77");
  RunToEnd(context, Connect(acceptor.local_endpoint(), source, Soon(), &result));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ((*result)->local_endpoint().address(), source);
  EXPECT_EQ((*result)->remote_endpoint(), acceptor.local_endpoint());
  EXPECT_EQ(acceptor.accept().remote_endpoint(), (*result)->local_endpoint());
}

TEST(StreamConnectTest, RefusedConnectionIsUnavailable) {
  asio::io_context context;
  asio::ip::tcp::endpoint endpoint;
  {
    asio::ip::tcp::acceptor acceptor(context,
                                     asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    endpoint = acceptor.local_endpoint();
  }
  absl::StatusOr<std::unique_ptr<Stream>> result = absl::UnknownError("");
  RunToEnd(context, Connect(endpoint, asio::ip::address(), Soon(), &result));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
}

TEST(StreamConnectTest, EndsAtItsDeadlineWhenNobodyAnswers) {
  asio::io_context context;
  // A full queue: the kernel drops further connection requests.
  asio::ip::tcp::acceptor acceptor(context, asio::ip::tcp::v4());
  acceptor.bind(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  acceptor.listen(0);
  std::vector<std::unique_ptr<Stream>> queued;
  absl::StatusOr<std::unique_ptr<Stream>> result = absl::UnknownError("");
  do {
    RunToEnd(context, Connect(acceptor.local_endpoint(), asio::ip::address(), AtOnce(), &result));
    if (result.ok()) queued.push_back(*std::move(result));
  } while (result.ok() && queued.size() < 10);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace turnpike::net
