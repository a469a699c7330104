#include "services/auth-service/gateways/gateway_gate.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/spool-store/client/fake_spool.h"

namespace turnpike::auth {
namespace {

// Says what it is told of every queue, and counts the questions.
class ToldSpool : public spool::FakeSpool {
 public:
  void GetQueue(
      spool::v1::GetQueueRequest, absl::Time,
      absl::AnyInvocable<void(absl::StatusOr<spool::v1::GetQueueResponse>)> done) override {
    ++questions;
    done(answer);
  }
  void Tell(int64_t held, int64_t bytes) {
    spool::v1::GetQueueResponse response;
    response.mutable_stats()->set_held(held);
    response.mutable_stats()->set_bytes(bytes);
    answer = response;
  }

  absl::StatusOr<spool::v1::GetQueueResponse> answer = spool::v1::GetQueueResponse();
  int questions = 0;
};

class GatewayGateTest : public ::testing::Test {
 protected:
  ~GatewayGateTest() override { std::remove(file_.c_str()); }

  config::v1::Gateway& AddGateway(const std::string& domain) {
    config::v1::Gateway* gateway = config_.add_gateways();
    gateway->set_domain(domain);
    return *gateway;
  }
  std::shared_ptr<GatewayGate> MakeGate(const GatewayGate* previous = nullptr) {
    auto gate = GatewayGate::Create(config_, spool_, {}, previous);
    EXPECT_TRUE(gate.ok()) << gate.status();
    return gate.ok() ? *std::move(gate) : nullptr;
  }
  // What the rules say of a recipient of the gateway.
  static v1::Verdict Accepted(const std::string& queue) {
    v1::Verdict verdict;
    verdict.set_accepted(true);
    verdict.set_recipient_class(v1::RECIPIENT_CLASS_GATEWAY);
    verdict.set_queue(queue);
    verdict.mutable_scope()->mutable_lifetime_duration()->set_seconds(60);
    verdict.mutable_scope()->set_any_recipient_in_domain(true);
    return verdict;
  }
  static v1::Verdict Judge(GatewayGate& gate, const std::string& address,
                           const std::string& queue) {
    v1::Verdict result;
    gate.Judge(address, Accepted(queue), [&](v1::Verdict verdict) { result = std::move(verdict); });
    return result;
  }
  // `250` or the code of the refusal.
  static int CodeOf(const v1::Verdict& verdict) {
    return verdict.accepted() ? 250 : verdict.reply().code();
  }
  // In one step, as an operator's tools do.
  void WriteFile(const std::string& text) {
    std::ofstream(absl::StrCat(file_, ".new")) << text;
    ASSERT_EQ(std::rename(absl::StrCat(file_, ".new").c_str(), file_.c_str()), 0);
  }

  const std::string file_ =
      absl::StrCat(::testing::TempDir(), "/recipients-", absl::ToUnixNanos(absl::Now()));
  config::v1::Config config_;
  ToldSpool spool_;
};

TEST_F(GatewayGateTest, GatewaysWithoutAListAndAQuotaAreNotGuarded) {
  AddGateway("a.example");
  AddGateway("b.example").add_recipients("x@b.example");
  const auto gate = MakeGate();
  EXPECT_FALSE(gate->Guards(Accepted("a.example")));
  EXPECT_TRUE(gate->Guards(Accepted("b.example")));
  v1::Verdict refused = Accepted("b.example");
  refused.set_accepted(false);
  EXPECT_FALSE(gate->Guards(refused));
  v1::Verdict local = Accepted("b.example");
  local.set_recipient_class(v1::RECIPIENT_CLASS_LOCAL);
  EXPECT_FALSE(gate->Guards(local));
}

// [DQ-4]
TEST_F(GatewayGateTest, OnlyListedRecipientsAreKnown) {
  config::v1::Gateway& gateway = AddGateway("a.example");
  gateway.add_recipients("Ann@a.example");
  gateway.add_recipients("bob@alias.example");
  const auto gate = MakeGate();
  const v1::Verdict known = Judge(*gate, "aNN@A.example", "a.example");
  EXPECT_TRUE(known.accepted());
  EXPECT_EQ(known.queue(), "a.example");
  // It says nothing about others, and the list does not change.
  EXPECT_FALSE(known.scope().any_recipient_in_domain());
  EXPECT_EQ(known.scope().lifetime_duration().seconds(), 60);
  const v1::Verdict unknown = Judge(*gate, "carl@a.example", "a.example");
  EXPECT_EQ(unknown.reply().code(), 550);
  EXPECT_EQ(unknown.reply().enhanced_code(), "5.1.1");
  EXPECT_EQ(unknown.rule(), "DQ-4");
  EXPECT_FALSE(unknown.scope().any_recipient_in_domain());
  EXPECT_EQ(CodeOf(Judge(*gate, "bob@a.example", "a.example")), 550);
  EXPECT_EQ(CodeOf(Judge(*gate, "bob@alias.example", "a.example")), 250);
  EXPECT_EQ(CodeOf(Judge(*gate, "Postmaster@a.example", "a.example")), 250);
  EXPECT_EQ(spool_.questions, 0);
}

TEST_F(GatewayGateTest, NextGateReadsAFileThatHasChanged) {
  WriteFile("# ours\nann@a.example  # since May\n\nbob@a.example\r\n");
  AddGateway("a.example").set_recipients_file(file_);
  const auto gate = MakeGate();
  EXPECT_EQ(CodeOf(Judge(*gate, "ann@a.example", "a.example")), 250);
  EXPECT_EQ(CodeOf(Judge(*gate, "bob@a.example", "a.example")), 250);
  EXPECT_EQ(CodeOf(Judge(*gate, "carl@a.example", "a.example")), 550);
  EXPECT_EQ(Judge(*gate, "ann@a.example", "a.example").scope().lifetime_duration().seconds(), 1);
  WriteFile("carl@a.example\n");
  const auto next = MakeGate(gate.get());
  EXPECT_EQ(CodeOf(Judge(*next, "carl@a.example", "a.example")), 250);
  EXPECT_EQ(CodeOf(Judge(*next, "ann@a.example", "a.example")), 550);
  EXPECT_EQ(CodeOf(Judge(*gate, "ann@a.example", "a.example")), 250);
  // Empty is a list too: nobody.
  WriteFile("");
  EXPECT_EQ(CodeOf(Judge(*MakeGate(next.get()), "carl@a.example", "a.example")), 550);
}

TEST_F(GatewayGateTest, NextGateHasTheListOfAFileThatHasNotChanged) {
  WriteFile("ann@a.example\n");
  AddGateway("a.example").set_recipients_file(file_);
  const auto gate = MakeGate();
  EXPECT_EQ(CodeOf(Judge(*MakeGate(gate.get()), "ann@a.example", "a.example")), 250);
  config_.mutable_gateways(0)->add_recipients("bob@a.example");
  EXPECT_EQ(CodeOf(Judge(*MakeGate(gate.get()), "bob@a.example", "a.example")), 250);
}

TEST_F(GatewayGateTest, WrongFileIsAnError) {
  AddGateway("a.example").set_recipients_file(file_);
  EXPECT_EQ(GatewayGate::Create(config_, spool_, {}).status().code(), absl::StatusCode::kNotFound);
  WriteFile("ann@a.example\nnonsense\n");
  const absl::Status status = GatewayGate::Create(config_, spool_, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), "line 2")) << status;
}

// [DQ-2]
TEST_F(GatewayGateTest, FullGatewayTakesNothingMore) {
  AddGateway("a.example").mutable_hold()->set_max_messages(3);
  AddGateway("b.example").mutable_hold()->set_max_bytes(1000);
  const auto gate = MakeGate();
  spool_.Tell(2, 999);
  const v1::Verdict accepted = Judge(*gate, "x@a.example", "a.example");
  EXPECT_TRUE(accepted.accepted());
  EXPECT_FALSE(accepted.scope().has_lifetime_duration());  // so near the limit everyone asks
  EXPECT_EQ(CodeOf(Judge(*gate, "x@b.example", "b.example")), 250);
  spool_.Tell(3, 1000);
  const v1::Verdict refused = Judge(*gate, "x@a.example", "a.example");
  EXPECT_EQ(refused.reply().code(), 452);
  EXPECT_EQ(refused.reply().enhanced_code(), "4.2.2");
  EXPECT_EQ(refused.rule(), "DQ-2");
  EXPECT_FALSE(refused.scope().has_lifetime_duration());
  EXPECT_EQ(CodeOf(Judge(*gate, "x@b.example", "b.example")), 452);
  spool_.Tell(0, 0);
  EXPECT_EQ(CodeOf(Judge(*gate, "x@a.example", "a.example")), 250);
}

TEST_F(GatewayGateTest, FarFromTheLimitFiguresAreRemembered) {
  AddGateway("a.example").mutable_hold()->set_max_messages(kFarMessages + 2);
  const auto gate = MakeGate();
  spool_.Tell(2, 0);
  EXPECT_TRUE(Judge(*gate, "x@a.example", "a.example").accepted());
  const v1::Verdict second = Judge(*gate, "x@a.example", "a.example");
  EXPECT_TRUE(second.accepted());
  EXPECT_EQ(second.scope().lifetime_duration().seconds(), 1);
  EXPECT_TRUE(second.scope().any_recipient_in_domain());
  EXPECT_EQ(spool_.questions, 1);
}

TEST_F(GatewayGateTest, StoreThatIsAwayRefusesNothing) {
  AddGateway("a.example").mutable_hold()->set_max_messages(3);
  const auto gate = MakeGate();
  spool_.answer = absl::UnavailableError("away");
  const v1::Verdict verdict = Judge(*gate, "x@a.example", "a.example");
  EXPECT_TRUE(verdict.accepted());
  EXPECT_FALSE(verdict.scope().has_lifetime_duration());
}

}  // namespace
}  // namespace turnpike::auth
