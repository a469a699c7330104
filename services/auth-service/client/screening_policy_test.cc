#include "services/auth-service/client/screening_policy.h"

#include <gtest/gtest.h>

#include <utility>

#include "services/auth-service/client/fake_policy.h"
#include "services/common/base/clock.h"

namespace turnpike::auth {
namespace {

TEST(ScreeningPolicyTest, ScreenedClientsAreRefusedWithoutAQuestion) {
  auto fake = std::make_unique<FakePolicy>();
  FakePolicy& inner = *fake;
  auto networks = std::make_shared<BlockedNetworks>();
  ScreeningPolicy policy(std::move(fake), networks, base::Clock::System());
  const auto ask = [&policy](const std::string& address) {
    v1::Question question;
    question.mutable_facts()->set_client_address(address);
    question.mutable_connect();
    v1::Answer result;
    policy.Ask(question, absl::InfiniteFuture(),
               [&result](absl::StatusOr<v1::Answer> answer) { result = *std::move(answer); });
    return result;
  };
  EXPECT_TRUE(ask("192.0.2.1").has_offer());
  v1::ScreenUpdate update;
  update.set_complete(true);
  update.add_blocked()->set_network("192.0.2.1/32");
  networks->Apply(update);
  EXPECT_EQ(ask("192.0.2.1").verdict().reply().code(), 554);
  EXPECT_EQ(ask("192.0.2.1").verdict().reply().enhanced_code(), "5.7.1");
  EXPECT_FALSE(ask("192.0.2.1").verdict().accepted());
  EXPECT_TRUE(ask("192.0.2.1").verdict().close());
  EXPECT_EQ(inner.questions().size(), 1u);
  EXPECT_TRUE(ask("192.0.2.2").has_offer());

  update.mutable_blocked(0)->mutable_reply()->set_code(421);
  networks->Apply(update);
  EXPECT_EQ(ask("192.0.2.1").verdict().reply().code(), 421);
}

}  // namespace
}  // namespace turnpike::auth
