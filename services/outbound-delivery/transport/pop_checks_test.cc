#include "services/outbound-delivery/transport/pop_checks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

// A POP3 server for one connection after the other. Without a timestamp in its greeting it has no
// APOP, and no SASL.
class PopServer {
 public:
  explicit PopServer(std::string password) : password_(std::move(password)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~PopServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  uint16_t port() const { return port_; }
  int logins() const { return logins_; }
  bool has_seen_password() const { return has_seen_password_; }

 private:
  void Run() {
    while (true) {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      Serve(connection);
      close(connection);
    }
  }

  void Serve(int connection) {
    Say(connection, "+OK ready");
    std::string input;
    char piece[512];
    while (true) {
      const ssize_t count = read(connection, piece, sizeof(piece));
      if (count <= 0) return;
      input.append(piece, static_cast<size_t>(count));
      for (size_t end = input.find("\r\n"); end != std::string::npos; end = input.find("\r\n")) {
        const std::string line = input.substr(0, end);
        input.erase(0, end + 2);
        if (line == "CAPA") {
          Say(connection, "+OK\r\nUSER\r\n.");
        } else if (absl::StartsWith(line, "PASS ")) {
          has_seen_password_ = true;
          const bool is_right = line.substr(5) == password_;
          if (is_right) ++logins_;
          Say(connection, is_right ? "+OK" : "-ERR no");
        } else {
          Say(connection, "+OK");
        }
      }
    }
  }

  static void Say(int connection, const std::string& line) {
    const std::string bytes = line + "\r\n";
    EXPECT_EQ(write(connection, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  const std::string password_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> logins_{0};
  std::atomic<bool> has_seen_password_{false};
  std::thread thread_;
};

PopChecks::Check MakeCheck(uint16_t port, bool allow_cleartext = true) {
  return {.name = "smart_host",
          .host = "127.0.0.1",
          .port = port,
          .tls = RoutePlan::Tls::kNone,
          .login = {.username = "us", .password = "secret", .allow_cleartext = allow_cleartext},
          .every = absl::Minutes(10),
          .timeout = absl::Seconds(5)};
}

absl::Status Ensure(PopChecks& checks, const std::string& name = "smart_host") {
  absl::Notification done;
  absl::Status result;
  checks.Ensure(name, [&](const absl::Status& status) {
    result = status;
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

class PopChecksTest : public ::testing::Test {
 protected:
  base::ManualClock clock_{absl::FromUnixSeconds(1795000000)};
  std::atomic<int> reports_{0};
  PopChecks::Report report_ = [this](const absl::Status&) { ++reports_; };
};

TEST_F(PopChecksTest, OneLoginCountsForItsWindow) {
  PopServer server("secret");
  PopChecks checks({MakeCheck(server.port())}, std::move(report_), clock_);
  EXPECT_TRUE(Ensure(checks).ok());
  clock_.Advance(absl::Minutes(9));
  EXPECT_TRUE(Ensure(checks).ok());
  EXPECT_EQ(server.logins(), 1);
  clock_.Advance(absl::Minutes(2));
  EXPECT_TRUE(Ensure(checks).ok());
  EXPECT_EQ(server.logins(), 2);
  EXPECT_EQ(reports_, 2);
}

TEST_F(PopChecksTest, RefusedLoginIsTriedAgainNextTime) {
  PopServer server("another");
  PopChecks checks({MakeCheck(server.port())}, std::move(report_), clock_);
  EXPECT_EQ(Ensure(checks).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Ensure(checks).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(reports_, 2);
}

TEST_F(PopChecksTest, PasswordDoesNotGoInClearUnlessAllowed) {
  PopServer server("secret");
  PopChecks checks({MakeCheck(server.port(), false)}, std::move(report_), clock_);
  EXPECT_FALSE(Ensure(checks).ok());
  EXPECT_FALSE(server.has_seen_password());
}

TEST_F(PopChecksTest, ServerThatIsAwayIsUnavailable) {
  uint16_t port = 0;
  { port = PopServer("secret").port(); }
  PopChecks checks({MakeCheck(port)}, std::move(report_), clock_);
  EXPECT_EQ(Ensure(checks).code(), absl::StatusCode::kUnavailable);
}

TEST_F(PopChecksTest, UnknownNameIsNotFound) {
  PopChecks checks({}, std::move(report_), clock_);
  EXPECT_EQ(Ensure(checks, "nobody").code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace turnpike::delivery
