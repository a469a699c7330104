#include "services/common/process/descriptor_limit.h"

#include <sys/resource.h>

#include "gtest/gtest.h"

namespace turnpike::process {
namespace {

TEST(DescriptorLimitTest, SoftLimitIsRaisedToTheHardOne) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit low = {.rlim_cur = limit.rlim_max / 2, .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(RaiseDescriptorLimit(), limit.rlim_max);
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
}

TEST(DescriptorLimitTest, NeedFollowsTheConfiguredLimits) {
  config::v1::Config config;
  config.mutable_smtp()->set_connections_max(20'000);
  config.mutable_delivery()->set_leases_max(2'000);
  EXPECT_EQ(DescriptorsNeeded("smtp-frontend", config), 21'000u);
  EXPECT_EQ(DescriptorsNeeded("outbound-delivery", config), 3'000u);
  EXPECT_EQ(DescriptorsNeeded("spool-store", config), 1'000u);
}

}  // namespace
}  // namespace turnpike::process
