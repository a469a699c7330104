#include "services/common/rpc/unary.h"

#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/testing/echo_server.h"
#include "services/common/rpc/testing/recorder.h"

namespace turnpike::rpc::testing {
namespace {

class CallUnaryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = Server::Start({.listen = "127.0.0.1:0"}, {&service_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = EchoService::NewStub(CreateChannel(server_->address()));
  }

  absl::StatusOr<SayResponse> Say(SayRequest request, absl::Time deadline) {
    Recorder<absl::StatusOr<SayResponse>> done;
    CallUnary<SayRequest, SayResponse>(
        std::move(request), deadline,
        [this](auto* context, auto* sent, auto* response, auto ended) {
          stub_->async()->Say(context, sent, response, std::move(ended));
        },
        [&done](absl::StatusOr<SayResponse> response) { done.Add(std::move(response)); });
    const auto results = done.WaitFor(1);
    if (results.empty()) return absl::InternalError("the callback did not come");
    return results[0];
  }

  EchoServer service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<EchoService::Stub> stub_;
};

TEST_F(CallUnaryTest, ReportsTheResponse) {
  SayRequest request;
  request.set_text("hello");
  const auto response = Say(request, absl::Now() + absl::Seconds(20));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->text(), "hello");
}

TEST_F(CallUnaryTest, WaitsForEverWithoutADeadline) {
  EXPECT_TRUE(Say(SayRequest(), absl::InfiniteFuture()).ok());
}

TEST_F(CallUnaryTest, ReportsTheServersError) {
  SayRequest request;
  request.set_text("no such queue");
  request.set_fail_with_code(grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Say(request, absl::Now() + absl::Seconds(20)).status(),
            absl::NotFoundError("no such queue"));
}

TEST_F(CallUnaryTest, EndsAtItsDeadline) {
  SayRequest request;
  request.set_never_answer(true);
  EXPECT_EQ(Say(request, absl::Now() + absl::Milliseconds(100)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(CallUnaryTest, MessagesOverTheLimitAreRefused) {
  SayRequest request;
  request.set_text(std::string(9 << 20, 'x'));
  EXPECT_EQ(Say(request, absl::Now() + absl::Seconds(20)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(CallUnaryTest, MessagesOfSevenMebibytesPassBothWays) {
  SayRequest request;
  request.set_text(std::string(7 << 20, 'x'));
  const auto response = Say(request, absl::Now() + absl::Seconds(20));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->text().size(), size_t{7} << 20);
}

}  // namespace
}  // namespace turnpike::rpc::testing
