// The external scaler over gRPC, with shards as servers of their own.
#include "services/spool-store/scaler/scaler.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "google/protobuf/descriptor.h"
#include "prometheus/registry.h"
#include "protos/turnpike/spool/v1/shard.grpc.pb.h"
#include "services/common/rpc/callers.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "third_party/keda/externalscaler.grpc.pb.h"

namespace turnpike::spool {
namespace {

class FakeShard : public v1::ShardService::Service {
 public:
  FakeShard() { server_ = *rpc::Server::Start({.listen = "127.0.0.1:0"}, {this}); }

  grpc::Status GetShard(grpc::ServerContext*, const v1::GetShardRequest*,
                        v1::GetShardResponse* response) override {
    response->mutable_shard()->set_due(due);
    response->mutable_shard()->set_leased(leased);
    if (due > 0) {
      response->mutable_shard()->mutable_oldest_due_time()->set_seconds(
          absl::ToUnixSeconds(absl::Now() - absl::Minutes(5)));
    }
    return grpc::Status::OK;
  }

  const std::string& address() const { return server_->address(); }
  void Stop() { server_->Shutdown(absl::Now()); }

  std::atomic<int> due{0};
  std::atomic<int> leased{0};

 private:
  std::unique_ptr<rpc::Server> server_;
};

class ScalerTest : public ::testing::Test {
 protected:
  ScalerTest() {
    config_.mutable_spool()->set_scaler_listen("127.0.0.1:0");
    for (const FakeShard& shard : shards_) config_.mutable_spool()->add_shards(shard.address());
    auto scaler = Scaler::Start(config_, nullptr, registry_);
    EXPECT_TRUE(scaler.ok()) << scaler.status();
    scaler_ = *std::move(scaler);
    stub_ = externalscaler::ExternalScaler::NewStub(rpc::CreateChannel(scaler_->address()));
  }

  static externalscaler::ScaledObjectRef Object(const std::string& metric,
                                                const std::string& target) {
    externalscaler::ScaledObjectRef object;
    object.set_name("outbound-delivery");
    (*object.mutable_scaler_metadata())["metric"] = metric;
    (*object.mutable_scaler_metadata())["target"] = target;
    return object;
  }

  grpc::Status GetMetrics(const std::string& metric, double& value) {
    grpc::ClientContext context;
    externalscaler::GetMetricsRequest request;
    *request.mutable_scaled_object_ref() = Object(metric, "100");
    request.set_metric_name(metric);
    externalscaler::GetMetricsResponse response;
    const grpc::Status status = stub_->GetMetrics(&context, request, &response);
    if (!status.ok()) return status;
    EXPECT_EQ(response.metric_values_size(), 1);
    EXPECT_EQ(response.metric_values(0).metric_name(), metric);
    value = response.metric_values(0).metric_value_float();
    EXPECT_NEAR(static_cast<double>(response.metric_values(0).metric_value()), value, 0.5);
    return status;
  }

  FakeShard shards_[2];
  config::v1::Config config_;
  prometheus::Registry registry_;
  std::unique_ptr<Scaler> scaler_;
  std::unique_ptr<externalscaler::ExternalScaler::Stub> stub_;
};

TEST_F(ScalerTest, FiguresAreOfAllShards) {
  shards_[0].due = 10;
  shards_[0].leased = 5;
  shards_[1].leased = 1;
  double value = 0;
  ASSERT_TRUE(GetMetrics("due_deliveries", value).ok());
  EXPECT_EQ(value, 16);
  ASSERT_TRUE(GetMetrics("oldest_due_seconds", value).ok());
  EXPECT_NEAR(value, 300, 5);
}

TEST_F(ScalerTest, SpecNamesTheFigureAndTheTarget) {
  grpc::ClientContext context;
  externalscaler::GetMetricSpecResponse response;
  ASSERT_TRUE(stub_->GetMetricSpec(&context, Object("due_deliveries", "250"), &response).ok());
  ASSERT_EQ(response.metric_specs_size(), 1);
  EXPECT_EQ(response.metric_specs(0).metric_name(), "due_deliveries");
  EXPECT_EQ(response.metric_specs(0).target_size_float(), 250);
  EXPECT_EQ(response.metric_specs(0).target_size(), 250);

  grpc::ClientContext wrong;
  const grpc::Status status = stub_->GetMetricSpec(&wrong, Object("mail", "250"), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(absl::StrContains(status.error_message(), "metadata.metric"));
}

TEST_F(ScalerTest, IsActiveWhileAnythingIsDueOrLeased) {
  const auto is_active = [&] {
    grpc::ClientContext context;
    externalscaler::IsActiveResponse response;
    EXPECT_TRUE(stub_->IsActive(&context, Object("due_deliveries", "1"), &response).ok());
    return response.result();
  };
  EXPECT_FALSE(is_active());
  shards_[1].leased = 1;
  absl::SleepFor(absl::Seconds(1.1));  // the sum is kept for a second
  EXPECT_TRUE(is_active());
}

TEST_F(ScalerTest, ShardThatIsAwayIsAnError) {
  shards_[0].due = 10;
  shards_[1].Stop();
  double value = 0;
  const grpc::Status status = GetMetrics("due_deliveries", value);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(absl::StrContains(status.error_message(), shards_[1].address()));
}

TEST_F(ScalerTest, StreamTellsChangesAndEndsWithTheDrain) {
  grpc::ClientContext context;
  const auto stream = stub_->StreamIsActive(&context, Object("due_deliveries", "1"));
  externalscaler::IsActiveResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_FALSE(response.result());
  shards_[0].due = 1;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.result());

  const absl::Time begin = absl::Now();
  std::thread drain([&] { scaler_->Drain(absl::Now() + absl::Seconds(20)); });
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  drain.join();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

TEST_F(ScalerTest, StreamThatIsCancelledIsForgotten) {
  grpc::ClientContext context;
  const auto stream = stub_->StreamIsActive(&context, Object("due_deliveries", "1"));
  externalscaler::IsActiveResponse response;
  ASSERT_TRUE(stream->Read(&response));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// What a stream is told and its end come from different threads.
TEST_F(ScalerTest, StreamsThatEndAtOnceDoNoHarm) {
  for (int i = 0; i < 300; ++i) {
    grpc::ClientContext context;
    const auto stream = stub_->StreamIsActive(&context, Object("due_deliveries", "1"));
    if (i % 3 > 0) stream->WaitForInitialMetadata();
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  grpc::ClientContext context;
  externalscaler::IsActiveResponse response;
  ASSERT_TRUE(stub_->IsActive(&context, Object("due_deliveries", "1"), &response).ok());
  EXPECT_FALSE(response.result());
}

TEST(ScalerStartTest, WithoutAnAddressThereIsNone) {
  prometheus::Registry registry;
  const auto scaler = Scaler::Start(config::v1::Config(), nullptr, registry);
  ASSERT_TRUE(scaler.ok());
  EXPECT_EQ(*scaler, nullptr);
}

TEST(ScalerStartTest, EveryMethodIsKedasAlone) {
  const auto* service = externalscaler::IsActiveResponse::descriptor()->file()->service(0);
  ASSERT_EQ(service->method_count(), 4);
  for (int i = 0; i < service->method_count(); ++i) {
    const std::string method = "/" + service->full_name() + "/" + service->method(i)->name();
    EXPECT_TRUE(rpc::MayCall(method, "keda")) << method;
    EXPECT_FALSE(rpc::MayCall(method, "turnpikectl")) << method;
  }
}

}  // namespace
}  // namespace turnpike::spool
