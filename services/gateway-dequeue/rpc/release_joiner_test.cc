#include "services/gateway-dequeue/rpc/release_joiner.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/spool-store/client/fake_spool.h"

namespace turnpike::dequeue {
namespace {

// Answers releases when it is told to.
class SlowSpool : public spool::FakeSpool {
 public:
  void ReleaseQueue(spool::v1::ReleaseQueueRequest request, absl::Time,
                    ReleaseJoiner::Callback done) override {
    requests.push_back(std::move(request));
    callbacks.push_back(std::move(done));
  }
  void Answer(absl::StatusOr<spool::v1::ReleaseQueueResponse> response) {
    ReleaseJoiner::Callback callback = std::move(callbacks.front());
    callbacks.pop_front();
    callback(std::move(response));
  }

  std::vector<spool::v1::ReleaseQueueRequest> requests;
  std::deque<ReleaseJoiner::Callback> callbacks;
};

class ReleaseJoinerTest : public ::testing::Test {
 protected:
  void Release(const std::string& gateway, const std::string& address) {
    mail::v1::Route route;
    route.set_address(address);
    joiner_.Release(gateway, route, absl::InfiniteFuture(),
                    [this](absl::StatusOr<spool::v1::ReleaseQueueResponse> response) {
                      ++(response.ok() ? succeeded_ : failed_);
                    });
  }

  int succeeded_ = 0;
  int failed_ = 0;
  SlowSpool spool_;
  ReleaseJoiner joiner_{spool_};
};

TEST_F(ReleaseJoinerTest, RequestsDuringAReleaseShareTheNext) {
  for (int i = 0; i < 5; ++i) Release("a.example", "192.0.2.1");
  EXPECT_EQ(spool_.requests.size(), 1u);
  spool_.Answer(spool::v1::ReleaseQueueResponse());
  EXPECT_EQ(succeeded_, 1);
  EXPECT_EQ(spool_.requests.size(), 2u);
  EXPECT_NE(spool_.requests[0].request_id(), spool_.requests[1].request_id());
  spool_.Answer(spool::v1::ReleaseQueueResponse());
  EXPECT_EQ(succeeded_, 5);
  EXPECT_EQ(spool_.requests.size(), 2u);
  Release("a.example", "192.0.2.1");
  EXPECT_EQ(spool_.requests.size(), 3u);
}

TEST_F(ReleaseJoinerTest, OtherGatewaysAndRoutesAreReleasedAtOnce) {
  Release("a.example", "192.0.2.1");
  Release("b.example", "192.0.2.1");
  Release("a.example", "192.0.2.2");
  ASSERT_EQ(spool_.requests.size(), 3u);
  EXPECT_EQ(spool_.requests[1].queue().name(), "b.example");
  EXPECT_EQ(spool_.requests[2].route().address(), "192.0.2.2");
}

TEST_F(ReleaseJoinerTest, FailureIsThatReleasesOwn) {
  Release("a.example", "192.0.2.1");
  Release("a.example", "192.0.2.1");
  spool_.Answer(absl::UnavailableError("away"));
  EXPECT_EQ(failed_, 1);
  spool_.Answer(spool::v1::ReleaseQueueResponse());
  EXPECT_EQ(succeeded_, 1);
}

}  // namespace
}  // namespace turnpike::dequeue
