#include "services/common/upstream/connection.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net/testing/run.h"
#include "services/common/net/testing/scripted_peer.h"
#include "services/common/upstream/resolve.h"

namespace turnpike::upstream {
namespace {

using asio::ip::tcp;
using Cause = net::SmtpSessionEnd::Cause;
using dequeue::v1::RunEnding;

RunEnding EndingFor(Cause cause, uint16_t code, bool has_greeted = true) {
  return EndingOf({.cause = cause, .reply = smtp::Reply(code, {}, "text")}, has_greeted).ending;
}

TEST(EndingOfTest, TellsEndingsFromEachOther) {
  EXPECT_EQ(EndingFor(Cause::kRefused, 554), dequeue::v1::RUN_ENDING_REFUSED);
  EXPECT_EQ(EndingFor(Cause::kRefused, 450), dequeue::v1::RUN_ENDING_NOT_NOW);
  EXPECT_EQ(EndingFor(Cause::kServiceClosing, 421), dequeue::v1::RUN_ENDING_NOT_NOW);
  EXPECT_EQ(EndingFor(Cause::kTlsNotOffered, 0), dequeue::v1::RUN_ENDING_TLS_FAILED);
  EXPECT_EQ(EndingFor(Cause::kTlsFailed, 0), dequeue::v1::RUN_ENDING_TLS_FAILED);
  EXPECT_EQ(EndingFor(Cause::kAuthNotOffered, 0), dequeue::v1::RUN_ENDING_AUTH_FAILED);
  EXPECT_EQ(EndingFor(Cause::kAuthFailed, 535), dequeue::v1::RUN_ENDING_AUTH_FAILED);
  EXPECT_EQ(EndingFor(Cause::kAuthFailed, 454), dequeue::v1::RUN_ENDING_NOT_NOW);
  EXPECT_EQ(EndingFor(Cause::kTimeout, 0), dequeue::v1::RUN_ENDING_LOST);
  EXPECT_EQ(EndingFor(Cause::kTimeout, 0, false), dequeue::v1::RUN_ENDING_UNREACHABLE);
  EXPECT_EQ(EndingFor(Cause::kDisconnected, 0, false), dequeue::v1::RUN_ENDING_UNREACHABLE);
}

TEST(EndingOfTest, OurOwnWordsAreNoReplyOfThePeer) {
  const Ending ending = EndingOf(
      {.cause = Cause::kTlsFailed, .reply = smtp::Reply(454, {}, "bad certificate")}, true);
  EXPECT_EQ(ending.reply.code(), 0);
  EXPECT_EQ(ending.detail, "no TLS with it: bad certificate");
}

class ConnectionTest : public ::testing::Test {
 protected:
  static asio::awaitable<void> DoResolve(std::string host,
                                         absl::StatusOr<std::vector<tcp::endpoint>>* endpoints) {
    *endpoints = co_await Resolve(host, 366, absl::Now() + absl::Seconds(10));
  }

  static asio::awaitable<void> DoOpen(Connection* connection, std::optional<Ending>* ending) {
    *ending = co_await connection->Open();
    if (!ending->has_value()) co_await connection->client().Quit();
  }

  // Accepts one connection and plays the script on it.
  static asio::awaitable<void> Play(tcp::acceptor* acceptor, std::string script) {
    tcp::socket socket = co_await acceptor->async_accept(asio::use_awaitable);
    net::Stream stream(std::move(socket));
    co_await net::testing::PlayScript(&stream, script);
  }

  std::string Open(const std::string& script) {
    tcp::acceptor acceptor(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    config::v1::Login login;
    login.set_username("customer.example");
    login.set_password("secret");
    const absl::StatusOr<Server> server = Server::Create(
        "127.0.0.1", acceptor.local_endpoint().port(), config::v1::CONNECTION_TLS_NONE, "", &login);
    EXPECT_TRUE(server.ok()) << server.status();
    Connection connection(*server, "gate.example");
    std::optional<Ending> ending;
    net::testing::RunToEnd(context_, DoOpen(&connection, &ending), Play(&acceptor, script));
    return ending ? absl::StrCat(RunEnding_Name(ending->ending), " ", ending->reply.code(), " ",
                                 ending->detail)
                  : "open";
  }

  asio::io_context context_;
};

TEST_F(ConnectionTest, AddressesNeedNoResolver) {
  absl::StatusOr<std::vector<tcp::endpoint>> endpoints;
  net::testing::RunToEnd(context_, DoResolve("2001:db8::1", &endpoints));
  ASSERT_TRUE(endpoints.ok());
  ASSERT_EQ(endpoints->size(), 1u);
  EXPECT_EQ(endpoints->front().address().to_string(), "2001:db8::1");
  EXPECT_EQ(endpoints->front().port(), 366);
}

TEST_F(ConnectionTest, NamesAreLookedUp) {
  absl::StatusOr<std::vector<tcp::endpoint>> endpoints;
  net::testing::RunToEnd(context_, DoResolve("localhost", &endpoints));
  ASSERT_TRUE(endpoints.ok()) << endpoints.status();
  EXPECT_TRUE(endpoints->front().address().is_loopback());
}

TEST_F(ConnectionTest, NobodyThereIsUnreachable) {
  uint16_t port;
  {
    tcp::acceptor acceptor(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    port = acceptor.local_endpoint().port();
  }
  const absl::StatusOr<Server> server =
      Server::Create("127.0.0.1", port, config::v1::CONNECTION_TLS_NONE, "", nullptr);
  Connection connection(*server, "gate.example");
  std::optional<Ending> ending;
  net::testing::RunToEnd(context_, DoOpen(&connection, &ending));
  ASSERT_TRUE(ending.has_value());
  EXPECT_EQ(ending->ending, dequeue::v1::RUN_ENDING_UNREACHABLE);
}

TEST_F(ConnectionTest, LogsInByTheBestThatIsOffered) {
  EXPECT_EQ(Open("S: 220 odmr.example ESMTP\nC: EHLO gate.example\nS: 250-odmr.example\n"
                 "S: 250 AUTH CRAM-MD5 PLAIN\nC: AUTH CRAM-MD5\nS: 334 PDEyMz4=\nC: *\n"
                 "S: 235 2.7.0 in\nC: QUIT\nS: 221 bye\n"),
            "open");
}

TEST_F(ConnectionTest, PasswordStaysHereWhereItWouldGoInClear) {
  EXPECT_EQ(Open("S: 220 odmr.example ESMTP\nC: EHLO gate.example\nS: 250-odmr.example\n"
                 "S: 250 AUTH PLAIN LOGIN\nC: QUIT\nS: 221 bye\n")
                .substr(0, 24),
            "RUN_ENDING_AUTH_FAILED 0");
}

TEST_F(ConnectionTest, RefusedLoginIsToldWithItsReply) {
  EXPECT_EQ(Open("S: 220 odmr.example ESMTP\nC: EHLO gate.example\nS: 250-odmr.example\n"
                 "S: 250 AUTH CRAM-MD5\nC: AUTH CRAM-MD5\nS: 334 PDEyMz4=\nC: *\n"
                 "S: 535 5.7.8 no\nC: QUIT\nS: 221 bye\n"),
            "RUN_ENDING_AUTH_FAILED 535 the login failed");
}

TEST_F(ConnectionTest, PeerThatHangsUpBeforeItsGreetingIsUnreachable) {
  EXPECT_EQ(Open("RESET\n").substr(0, 24), "RUN_ENDING_UNREACHABLE 0");
}

TEST_F(ConnectionTest, PeerThatHangsUpLaterIsLost) {
  EXPECT_EQ(Open("S: 220 odmr.example ESMTP\nC: EHLO gate.example\nRESET\n").substr(0, 17),
            "RUN_ENDING_LOST 0");
}

}  // namespace
}  // namespace turnpike::upstream
