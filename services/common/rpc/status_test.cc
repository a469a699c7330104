#include "services/common/rpc/status.h"

#include <gtest/gtest.h>

namespace turnpike::rpc {
namespace {

TEST(StatusTest, KeepsCodeAndTextBothWays) {
  const absl::Status status = absl::ResourceExhaustedError("too much");
  const grpc::Status over_the_wire = ToGrpc(status);
  EXPECT_EQ(over_the_wire.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(over_the_wire.error_message(), "too much");
  EXPECT_EQ(FromGrpc(over_the_wire), status);
}

TEST(StatusTest, OkIsOk) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

}  // namespace
}  // namespace turnpike::rpc
