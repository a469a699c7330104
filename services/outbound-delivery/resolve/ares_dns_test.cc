#include "services/outbound-delivery/resolve/ares_dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <atomic>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net/io_threads.h"
#include "services/outbound-delivery/resolve/testing/dns_builder.h"

namespace turnpike::delivery {
namespace {

using testing_dns::Builder;

// A DNS server on loopback: UDP, and TCP on the same port. `answer` makes the response to a
// question; an empty one is not sent.
class ScriptedServer {
 public:
  using Answer = std::function<std::string(const DnsQuestion& question, uint16_t id, bool is_tcp)>;

  explicit ScriptedServer(Answer answer) : answer_(std::move(answer)) {
    udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(udp_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    socklen_t length = sizeof(address);
    getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    tcp_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(tcp_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    EXPECT_EQ(bind(tcp_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(tcp_, 8), 0);
    udp_thread_ = std::thread([this] { ServeUdp(); });
    tcp_thread_ = std::thread([this] { ServeTcp(); });
  }

  ~ScriptedServer() {
    is_ended_ = true;
    shutdown(udp_, SHUT_RDWR);
    shutdown(tcp_, SHUT_RDWR);
    // A datagram to itself wakes the receiver where shutdown does not.
    const int waker = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    sendto(waker, "", 0, 0, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    close(waker);
    udp_thread_.join();
    tcp_thread_.join();
    close(udp_);
    close(tcp_);
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  int asked() const { return asked_; }

 private:
  std::string Respond(absl::string_view query, bool is_tcp) {
    ++asked_;
    const uint16_t id = static_cast<uint16_t>(static_cast<unsigned char>(query[0]) << 8 |
                                              static_cast<unsigned char>(query[1]));
    return answer_(testing_dns::ReadQuestion(query), id, is_tcp);
  }

  void ServeUdp() {
    char buffer[1500];
    while (!is_ended_) {
      sockaddr_in peer = {};
      socklen_t length = sizeof(peer);
      const ssize_t received =
          recvfrom(udp_, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&peer), &length);
      if (received < 12) continue;
      const std::string response =
          Respond(absl::string_view(buffer, static_cast<size_t>(received)), false);
      if (response.empty()) continue;
      sendto(udp_, response.data(), response.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
    }
  }

  void ServeTcp() {
    while (!is_ended_) {
      const int connection = accept(tcp_, nullptr, nullptr);
      if (connection < 0) continue;
      char buffer[1500];
      const ssize_t received = recv(connection, buffer, sizeof(buffer), 0);
      if (received > 14) {
        const std::string response =
            Respond(absl::string_view(buffer + 2, static_cast<size_t>(received) - 2), true);
        const std::string framed =
            absl::StrCat(std::string(1, static_cast<char>(response.size() >> 8)),
                         std::string(1, static_cast<char>(response.size() & 0xff)), response);
        send(connection, framed.data(), framed.size(), MSG_NOSIGNAL);
      }
      close(connection);
    }
  }

  const Answer answer_;
  int udp_;
  int tcp_;
  uint16_t port_;
  std::atomic<bool> is_ended_{false};
  std::atomic<int> asked_{0};
  std::thread udp_thread_;
  std::thread tcp_thread_;
};

class AresDnsTest : public ::testing::Test {
 protected:
  std::unique_ptr<AresDns> Make(const std::vector<std::string>& servers,
                                absl::Duration timeout = absl::Seconds(5)) {
    auto dns = AresDns::Create({.servers = servers, .timeout = timeout}, threads_.context(0));
    EXPECT_TRUE(dns.ok()) << dns.status();
    return *std::move(dns);
  }
  DnsAnswer Ask(Dns& dns, const DnsQuestion& question) {
    DnsAnswer result;
    absl::Notification done;
    dns.Ask(question, [&](const std::shared_ptr<const DnsAnswer>& answer) {
      result = *answer;
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }

  net::IoThreads threads_{1};
};

const DnsQuestion kQuestion{"far.example", RecordType::kMx};

TEST_F(AresDnsTest, AnswerOfTheServerIsReported) {
  ScriptedServer server([](const DnsQuestion& question, uint16_t id, bool) {
    EXPECT_EQ(question, kQuestion);
    return Builder(question).Id(id).Mx("far.example", 300, 10, "mx.far.example").Build();
  });
  const auto dns = Make({server.address()});
  const DnsAnswer answer = Ask(*dns, kQuestion);
  EXPECT_EQ(answer.result, DnsAnswer::Result::kOk);
  EXPECT_THAT(answer.mx, ::testing::ElementsAre(MxRecord{10, "mx.far.example"}));
  EXPECT_EQ(answer.time_to_live, absl::Seconds(300));
}

TEST_F(AresDnsTest, NegativeAnswersAreToldApart) {
  ScriptedServer server([](const DnsQuestion& question, uint16_t id, bool) {
    const bool exists = question.name == "far.example";
    return Builder(question).Id(id).Code(exists ? 0 : 3).Soa("example", 60, 30).Build();
  });
  const auto dns = Make({server.address()});
  EXPECT_EQ(Ask(*dns, kQuestion).result, DnsAnswer::Result::kNoData);
  const DnsAnswer answer = Ask(*dns, {"unknown.example", RecordType::kA});
  EXPECT_EQ(answer.result, DnsAnswer::Result::kNxDomain);
  EXPECT_EQ(answer.time_to_live, absl::Seconds(30));
}

TEST_F(AresDnsTest, TruncatedAnswerIsAskedForOverTcp) {
  ScriptedServer server([](const DnsQuestion& question, uint16_t id, bool is_tcp) {
    Builder builder(question);
    builder.Id(id);
    if (!is_tcp) return builder.Truncated().Build();
    return builder.Address("far.example", 300, "192.0.2.1").Build();
  });
  const auto dns = Make({server.address()});
  EXPECT_EQ(Ask(*dns, {"far.example", RecordType::kA}).addresses.size(), 1u);
}

TEST_F(AresDnsTest, NextServerIsAskedWhenOneFails) {
  ScriptedServer bad([](const DnsQuestion& question, uint16_t id, bool) {
    return Builder(question).Id(id).Code(2).Build();
  });
  ScriptedServer good([](const DnsQuestion& question, uint16_t id, bool) {
    return Builder(question).Id(id).Address("far.example", 300, "192.0.2.1").Build();
  });
  const auto dns = Make({bad.address(), good.address()});
  EXPECT_EQ(Ask(*dns, {"far.example", RecordType::kA}).result, DnsAnswer::Result::kOk);
  EXPECT_GE(bad.asked(), 1);
}

TEST_F(AresDnsTest, FailureOfAllServersIsAFailure) {
  ScriptedServer bad([](const DnsQuestion& question, uint16_t id, bool) {
    return Builder(question).Id(id).Code(2).Build();
  });
  const auto dns = Make({bad.address()});
  EXPECT_EQ(Ask(*dns, kQuestion).result, DnsAnswer::Result::kServFail);
}

TEST_F(AresDnsTest, SilentServerTimesOut) {
  ScriptedServer silent([](const DnsQuestion&, uint16_t, bool) { return std::string(); });
  const auto dns = Make({silent.address()}, absl::Milliseconds(300));
  const absl::Time begin = absl::Now();
  EXPECT_EQ(Ask(*dns, kQuestion).result, DnsAnswer::Result::kTimeout);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  EXPECT_EQ(silent.asked(), 2);
}

TEST_F(AresDnsTest, AnswerWithAnotherIdIsIgnored) {
  ScriptedServer forger([](const DnsQuestion& question, uint16_t id, bool) {
    return Builder(question)
        .Id(static_cast<uint16_t>(id + 1))
        .Mx("far.example", 300, 10, "evil.example")
        .Build();
  });
  const auto dns = Make({forger.address()}, absl::Milliseconds(300));
  EXPECT_EQ(Ask(*dns, kQuestion).result, DnsAnswer::Result::kTimeout);
}

TEST_F(AresDnsTest, ManyQuestionsAtOnceAreAllAnswered) {
  ScriptedServer server([](const DnsQuestion& question, uint16_t id, bool) {
    return Builder(question).Id(id).Address(question.name, 300, "192.0.2.1").Build();
  });
  const auto dns = Make({server.address()});
  constexpr int kQuestions = 200;
  std::atomic<int> left{kQuestions};
  std::atomic<int> ok{0};
  absl::Notification done;
  for (int i = 0; i < kQuestions; ++i) {
    dns->Ask({absl::StrCat("h", i, ".example"), RecordType::kA},
             [&](const std::shared_ptr<const DnsAnswer>& answer) {
               if (answer->result == DnsAnswer::Result::kOk) ++ok;
               if (--left == 0) done.Notify();
             });
  }
  done.WaitForNotification();
  EXPECT_EQ(ok, kQuestions);
}

TEST_F(AresDnsTest, OpenQuestionsEndWhenItIsDestroyed) {
  ScriptedServer silent([](const DnsQuestion&, uint16_t, bool) { return std::string(); });
  auto dns = Make({silent.address()}, absl::Seconds(60));
  absl::Notification done;
  dns->Ask(kQuestion, [&](const std::shared_ptr<const DnsAnswer>& answer) {
    EXPECT_TRUE(answer->is_failure());
    done.Notify();
  });
  dns.reset();
  done.WaitForNotification();
}

TEST_F(AresDnsTest, ServerThatIsNoAddressIsAnError) {
  EXPECT_EQ(AresDns::Create({.servers = {"not an address"}}, threads_.context(0)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace turnpike::delivery
