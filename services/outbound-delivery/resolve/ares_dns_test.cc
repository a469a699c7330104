#include "services/outbound-delivery/resolve/ares_dns.h"

#include <asio/io_context.hpp>
#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net/io_threads.h"
#include "services/outbound-delivery/resolve/testing/dns_builder.h"
#include "services/outbound-delivery/resolve/testing/scripted_server.h"

namespace turnpike::delivery {
namespace {

using testing_dns::Builder;
using testing_dns::ScriptedServer;

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
