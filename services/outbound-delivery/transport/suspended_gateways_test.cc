#include "services/outbound-delivery/transport/suspended_gateways.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/spool-store/client/fake_shared_state.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SuspendedGatewaysTest : public ::testing::Test {
 protected:
  void Put(const std::string& key) {
    spool::v1::PutEntryRequest request;
    request.set_key(key);
    state_.Put(request, absl::InfiniteFuture(),
               [](const auto& answer) { EXPECT_TRUE(answer.ok()) << answer.status(); });
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    gateways_.Refresh([&names](const std::vector<spool::v1::QueueName>& queues) {
      for (const spool::v1::QueueName& queue : queues) {
        EXPECT_EQ(queue.kind(), spool::v1::QUEUE_KIND_GATEWAY);
        names.push_back(queue.name());
      }
    });
    return names;
  }

  spool::FakeSharedState state_{base::Clock::System()};
  SuspendedGateways gateways_{state_, base::Clock::System()};
};

TEST_F(SuspendedGatewaysTest, TheirQueuesAreNamedAndNothingElse) {
  EXPECT_THAT(Names(), IsEmpty());
  Put("gateway/a.example/suspended");
  Put("gateway/b.example/last_request");
  Put("screen/192.0.2.1");
  Put("gateway/c.example/suspended");
  EXPECT_THAT(Names(), ElementsAre("a.example", "c.example"));
}

}  // namespace
}  // namespace turnpike::delivery
