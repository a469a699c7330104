#include "services/auth-service/sharing/shared_domains.h"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <atomic>
#include <optional>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "prometheus/registry.h"
#include "services/common/net/await_token.h"
#include "services/common/net/testing/scripted_peer.h"

namespace turnpike::auth {
namespace {

constexpr char kKnowsAnn[] = R"(S: 220 hi
C: EHLO us.example
S: 250-hi
S: 250 PIPELINING
C: MAIL FROM:<>
C: RCPT TO:<ann@b.example>
S: 250 2.1.0 ok
S: 250 2.1.5 here
C: QUIT
S: 221 bye)";

constexpr char kKnowsNobody[] = R"(S: 220 hi
C: EHLO us.example
S: 250 hi
C: MAIL FROM:<>
S: 250 ok
C: RCPT TO:<ann@b.example>
S: 550 5.1.1 who?
C: QUIT
S: 221 bye)";

// A server that plays one script after the other, in a thread of its own.
class Peer {
 public:
  explicit Peer(std::vector<std::string> scripts)
      : acceptor_(context_, {asio::ip::address_v4::loopback(), 0}) {
    asio::co_spawn(context_, Serve(this, std::move(scripts)), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Peer() {
    context_.stop();
    thread_.join();
  }

  ProbeTarget target(bool is_lmtp = false) {
    return {.host = "127.0.0.1", .port = acceptor_.local_endpoint().port(), .is_lmtp = is_lmtp};
  }
  int connections() const { return connections_; }

 private:
  static asio::awaitable<void> Serve(Peer* self, std::vector<std::string> scripts) {
    for (const std::string& script : scripts) {
      auto [error, socket] = co_await self->acceptor_.async_accept(net::kAwait);
      if (error) co_return;
      ++self->connections_;
      net::Stream stream(std::move(socket));
      co_await net::testing::PlayScript(&stream, script);
    }
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

class SharedDomainsTest : public testing::Test {
 protected:
  SharedDomainsTest() : clock_(absl::FromUnixSeconds(1'800'000'000)), metrics_(registry_) {}

  SharedDomains::Options Options(std::vector<ProbeTarget> hosts) {
    return {.hosts = std::move(hosts),
            .probe = {.host_name = "us.example", .timeout = absl::Seconds(20)},
            .found_time = absl::Minutes(10),
            .not_found_time = absl::Minutes(1)};
  }

  static bool Find(SharedDomains& domains, const char* address) {
    absl::Notification answered;
    bool result = false;
    domains.Find(address, [&](bool is_found) {
      result = is_found;
      answered.Notify();
    });
    answered.WaitForNotification();
    return result;
  }

  base::ManualClock clock_;
  prometheus::Registry registry_;
  SharingMetrics metrics_;
};

TEST_F(SharedDomainsTest, OneServerThatKnowsTheAddressIsEnough) {
  Peer one({kKnowsNobody});
  Peer two({kKnowsAnn});
  SharedDomains domains(Options({one.target(), two.target()}), metrics_, clock_);
  EXPECT_TRUE(Find(domains, "ann@b.example"));
}

TEST_F(SharedDomainsTest, AnswersAreRememberedForTheirTime) {
  Peer peer({kKnowsAnn, kKnowsNobody, kKnowsNobody});
  SharedDomains domains(Options({peer.target()}), metrics_, clock_);
  EXPECT_TRUE(Find(domains, "ann@b.example"));
  EXPECT_TRUE(Find(domains, "ANN@B.example"));
  EXPECT_EQ(peer.connections(), 1);
  clock_.Advance(absl::Minutes(10));
  EXPECT_FALSE(Find(domains, "ann@b.example"));
  EXPECT_FALSE(Find(domains, "ann@b.example"));
  EXPECT_EQ(peer.connections(), 2);
  clock_.Advance(absl::Minutes(1));
  EXPECT_FALSE(Find(domains, "ann@b.example"));
  EXPECT_EQ(peer.connections(), 3);
  EXPECT_EQ(metrics_.remembered.Value(), 2);
  EXPECT_EQ(metrics_.not_found.Value(), 2);
}

TEST_F(SharedDomainsTest, LmtpServersAreAskedByLmtp) {
  Peer peer({R"(S: 220 hi
C: LHLO us.example
S: 250 hi
C: MAIL FROM:<>
S: 250 ok
C: RCPT TO:<ann@b.example>
S: 250 ok
C: QUIT
S: 221 bye)"});
  SharedDomains domains(Options({peer.target(/*is_lmtp=*/true)}), metrics_, clock_);
  EXPECT_TRUE(Find(domains, "ann@b.example"));
}

TEST_F(SharedDomainsTest, ServerThatDoesNotAnswerCountsAsNotFound) {
  Peer peer({"S: 421 not now", "S: 220 hi\nC: EHLO us.example\nRESET",
             "S: 220 hi\nC: EHLO us.example\nS: 250 hi\nC: MAIL FROM:<>\nS: 250 ok\n"
             "C: RCPT TO:<ann@b.example>\nS: 450 later\nC: QUIT",
             "S: 220 hi\nC: EHLO us.example\nS: 250 hi\nC: MAIL FROM:<>\nS: 550 not you\nC: QUIT"});
  SharedDomains::Options options = Options({peer.target()});
  options.not_found_time = absl::ZeroDuration();
  SharedDomains domains(std::move(options), metrics_, clock_);
  for (int i = 1; i <= 4; ++i) {
    EXPECT_FALSE(Find(domains, "ann@b.example"));
    EXPECT_EQ(metrics_.no_answer.Value(), i);
  }
}

TEST_F(SharedDomainsTest, SilentServerIsNotWaitedForLongerThanTheTimeout) {
  Peer silent({});  // the kernel takes the connection
  SharedDomains::Options options = Options({silent.target()});
  options.probe.timeout = absl::Milliseconds(200);
  SharedDomains domains(std::move(options), metrics_, clock_);
  const absl::Time begin_time = absl::Now();
  EXPECT_FALSE(Find(domains, "ann@b.example"));
  EXPECT_LT(absl::Now() - begin_time, absl::Seconds(10));
}

TEST_F(SharedDomainsTest, QuestionsAreJoinedAndBounded) {
  Peer silent({});
  SharedDomains::Options options = Options({silent.target()});
  options.questions_max = 2;
  std::atomic<int> answers{0};
  {
    SharedDomains domains(std::move(options), metrics_, clock_);
    const auto count = [&answers](bool is_found) {
      EXPECT_FALSE(is_found);
      ++answers;
    };
    for (const char* address : {"a@b.example", "a@b.example", "c@b.example"}) {
      domains.Find(address, count);
    }
    EXPECT_EQ(answers, 0);
    domains.Find("d@b.example", count);
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(metrics_.dropped.Value(), 1);
    domains.Find("no address", count);
    EXPECT_EQ(answers, 2);
  }
  EXPECT_EQ(answers, 5);  // nobody is forgotten
}

}  // namespace
}  // namespace turnpike::auth
