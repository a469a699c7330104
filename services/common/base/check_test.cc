#include "services/common/base/check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace turnpike::base {
namespace {

TEST(CheckDeathTest, FalseConditionNamesFileConditionAndMessage) {
  const int left = 3;
  EXPECT_DEATH(TURNPIKE_CHECK(left == 0, absl::StrCat(left, " left")),
               "check_test.cc:[0-9]+: check failed: left == 0: 3 left");
}

TEST(CheckDeathTest, MessageMayBeLeftOut) {
  EXPECT_DEATH(TURNPIKE_CHECK(1 > 2), "check failed: 1 > 2\n");
}

TEST(CheckTest, MessageOfATrueConditionIsNotEvaluated) {
  bool evaluated = false;
  const auto message = [&evaluated] {
    evaluated = true;
    return std::string("text");
  };
  TURNPIKE_CHECK(!evaluated, message());
  EXPECT_FALSE(evaluated);
}

}  // namespace
}  // namespace turnpike::base
