#include "services/common/base/status_macros.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"

namespace turnpike::base {
namespace {

absl::StatusOr<std::unique_ptr<int>> Box(int value) {
  if (value < 0) return absl::OutOfRangeError("negative");
  return std::make_unique<int>(value);
}

absl::StatusOr<int> Add(int a, int b) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::unique_ptr<int> x, Box(a));
  TURNPIKE_ASSIGN_OR_RETURN(std::unique_ptr<int> y, Box(b));
  return *x + *y;
}

absl::Status Check(int a, int b) {
  if (a == 0) TURNPIKE_RETURN_IF_ERROR(absl::NotFoundError("zero"));
  TURNPIKE_RETURN_IF_ERROR(Add(a, b).status());
  return absl::OkStatus();
}

TEST(StatusMacrosTest, ValueIsMovedOutAndErrorsReturn) {
  EXPECT_EQ(*Add(1, 2), 3);
  EXPECT_EQ(Add(1, -2).status(), absl::OutOfRangeError("negative"));
}

TEST(StatusMacrosTest, ReturnIfErrorPassesOk) {
  EXPECT_EQ(Check(1, 2), absl::OkStatus());
  EXPECT_EQ(Check(0, 2), absl::NotFoundError("zero"));
  EXPECT_EQ(Check(1, -2), absl::OutOfRangeError("negative"));
}

}  // namespace
}  // namespace turnpike::base
