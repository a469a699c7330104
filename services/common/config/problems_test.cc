#include "services/common/config/problems.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::config {
namespace {

using testing::ElementsAre;

TEST(ProblemsTest, NoErrorsAreOk) {
  Problems problems("f");
  problems.AddWarning({1, 2}, "a", "odd");
  EXPECT_FALSE(problems.has_errors());
  EXPECT_TRUE(problems.ToStatus().ok());
  EXPECT_THAT(problems.Warnings(), ElementsAre("f:1:2: a: odd"));
}

TEST(ProblemsTest, ErrorsComeInTheOrderOfTheDocument) {
  Problems problems("/etc/t.yaml");
  problems.AddError({10, 1}, "c", "third");
  problems.AddError({2, 5}, "b", "second");
  problems.AddError({2, 3}, "", "first");
  EXPECT_EQ(problems.ToStatus(), absl::InvalidArgumentError("/etc/t.yaml:2:3: first\n"
                                                            "/etc/t.yaml:2:5: b: second\n"
                                                            "/etc/t.yaml:10:1: c: third"));
}

TEST(ProblemsTest, EndlessErrorsAreCut) {
  Problems problems("f");
  for (int i = 1; i <= 250; ++i) problems.AddError({i, 1}, "", "bad");
  EXPECT_TRUE(
      absl::EndsWith(problems.ToStatus().message(), "\nf:100:1: bad\nf: and 150 more errors"));
}

}  // namespace
}  // namespace turnpike::config
