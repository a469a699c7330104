#include "services/outbound-delivery/core/host_health.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795000000);

TEST(HostHealthTest, HostIsSickForAWhileAfterAFailure) {
  HostHealth health({.sick_time = absl::Seconds(60)});
  EXPECT_FALSE(health.IsSick("192.0.2.1:25", kNow));
  health.OnFailure("192.0.2.1:25", kNow);
  EXPECT_TRUE(health.IsSick("192.0.2.1:25", kNow + absl::Seconds(59)));
  EXPECT_FALSE(health.IsSick("192.0.2.1:25", kNow + absl::Seconds(60)));
  EXPECT_FALSE(health.IsSick("192.0.2.2:25", kNow));
}

TEST(HostHealthTest, SuccessHeals) {
  HostHealth health({});
  health.OnFailure("a", kNow);
  health.OnSuccess("a");
  EXPECT_FALSE(health.IsSick("a", kNow));
}

TEST(HostHealthTest, MemoryIsBounded) {
  HostHealth health({.hosts_max = 2});
  for (int i = 0; i < 10; ++i) health.OnFailure(absl::StrCat(i), kNow);
  EXPECT_TRUE(health.IsSick("0", kNow));
  EXPECT_FALSE(health.IsSick("9", kNow));
  const absl::Time later = kNow + absl::Seconds(61);
  health.OnFailure("9", later);  // the others are well again, and forgotten
  EXPECT_TRUE(health.IsSick("9", later));
}

}  // namespace
}  // namespace turnpike::delivery
