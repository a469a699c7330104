#include "services/common/rpc/library_log.h"

#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace turnpike::rpc {
namespace {

TEST(LibraryLogTest, ErrorsAreLinesOfOurLogAndFewAtAnyTime) {
  TakeLibraryLog();
  testing::internal::CaptureStderr();
  gpr_log(GPR_INFO, "not of interest");
  for (int i = 0; i < 100; ++i) gpr_log(GPR_ERROR, "Handshake \"failed\"");
  absl::SleepFor(absl::Milliseconds(1100));
  gpr_log(GPR_ERROR, "again");
  const std::string log = testing::internal::GetCapturedStderr();
  // The loop is over within one second, or within two of them.
  const auto lines = std::count(log.begin(), log.end(), '\n');
  EXPECT_GE(lines, 2);
  EXPECT_LE(lines, 3);
  EXPECT_TRUE(absl::StartsWith(log, "{\"time\":")) << log;
  EXPECT_TRUE(absl::StrContains(log, R"("detail":"Handshake \"failed\"","left_out_before":0})"))
      << log;
  EXPECT_TRUE(absl::StrContains(log, R"("detail":"again","left_out_before":)")) << log;
  EXPECT_FALSE(absl::StrContains(log, R"("detail":"again","left_out_before":0})")) << log;
  EXPECT_FALSE(absl::StrContains(log, "not of interest")) << log;
}

}  // namespace
}  // namespace turnpike::rpc
