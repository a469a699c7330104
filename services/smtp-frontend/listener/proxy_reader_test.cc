#include "services/smtp-frontend/listener/proxy_reader.h"

#include <gtest/gtest.h>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "services/common/net/await_token.h"
#include "services/common/net/testing/run.h"
#include "services/common/net/testing/socket_pair.h"

namespace turnpike::frontend {
namespace {

using asio::ip::tcp;
using Result = absl::StatusOr<std::optional<ProxyClient>>;

constexpr absl::string_view kHeader = "PROXY TCP4 192.0.2.1 198.51.100.25 12345 25\r\n";

class ProxyReaderTest : public ::testing::Test {
 protected:
  ProxyReaderTest() {
    auto [server, client] = net::testing::ConnectedSockets(context_);
    server_ = std::make_shared<tcp::socket>(std::move(server));
    client_ = std::make_shared<tcp::socket>(std::move(client));
  }

  static asio::awaitable<void> Read(std::shared_ptr<tcp::socket> socket, absl::Duration time,
                                    Result* result) {
    *result = co_await ReadProxyHeader(socket, absl::Now() + time);
  }

  // Octet by octet, with a pause after each.
  static asio::awaitable<void> Drip(std::shared_ptr<tcp::socket> socket, absl::string_view bytes) {
    asio::steady_timer timer(socket->get_executor());
    for (const char& octet : bytes) {
      auto [error, count] =
          co_await asio::async_write(*socket, asio::buffer(&octet, 1), net::kAwait);
      if (error) co_return;
      timer.expires_after(std::chrono::milliseconds(1));
      co_await timer.async_wait(net::kAwait);
    }
  }

  void Send(absl::string_view bytes) {
    asio::write(*client_, asio::buffer(bytes.data(), bytes.size()));
  }
  std::string TakeRest(size_t count) {
    std::string rest(count, '\0');
    asio::read(*server_, asio::buffer(rest));
    return rest;
  }

  asio::io_context context_;
  std::shared_ptr<tcp::socket> server_;
  std::shared_ptr<tcp::socket> client_;
  Result result_ = absl::UnknownError("not read");
};

TEST_F(ProxyReaderTest, LeavesWhatFollowsTheHeader) {
  Send(kHeader);
  Send("\x16\x03\x01 a handshake");
  net::testing::RunToEnd(context_, Read(server_, absl::Seconds(10), &result_));
  ASSERT_TRUE(result_.ok()) << result_.status();
  EXPECT_EQ((*result_)->address.ToString(), "192.0.2.1");
  EXPECT_EQ((*result_)->port, 12345);
  EXPECT_EQ(TakeRest(15), "\x16\x03\x01 a handshake");
}

TEST_F(ProxyReaderTest, TakesAHeaderThatComesInPieces) {
  net::testing::RunToEnd(context_, Read(server_, absl::Seconds(10), &result_),
                         Drip(client_, kHeader));
  ASSERT_TRUE(result_.ok()) << result_.status();
  EXPECT_EQ((*result_)->port, 12345);
}

TEST_F(ProxyReaderTest, GivesUpAtTheDeadlineThoughOctetsDripIn) {
  const absl::Time begin_time = absl::Now();
  net::testing::RunToEnd(context_, Read(server_, absl::Milliseconds(50), &result_),
                         Drip(client_, std::string("PROXY UNKNOWN ") + std::string(60, 'x')));
  EXPECT_TRUE(absl::IsDeadlineExceeded(result_.status())) << result_.status();
  EXPECT_LT(absl::Now() - begin_time, absl::Seconds(5));
}

TEST_F(ProxyReaderTest, GivesUpAtTheDeadlineWhenNothingComes) {
  net::testing::RunToEnd(context_, Read(server_, absl::Milliseconds(20), &result_));
  EXPECT_TRUE(absl::IsDeadlineExceeded(result_.status())) << result_.status();
}

TEST_F(ProxyReaderTest, TellsABadHeaderAndAnEndFromEachOther) {
  Send("EHLO client.example\r\n");
  net::testing::RunToEnd(context_, Read(server_, absl::Seconds(10), &result_));
  EXPECT_TRUE(absl::IsInvalidArgument(result_.status())) << result_.status();
}

TEST_F(ProxyReaderTest, NoticesTheEndOfTheConnection) {
  Send("PROXY TCP4");
  client_->close();
  net::testing::RunToEnd(context_, Read(server_, absl::Seconds(10), &result_));
  EXPECT_TRUE(absl::IsUnavailable(result_.status())) << result_.status();
}

}  // namespace
}  // namespace turnpike::frontend
