#include "services/outbound-delivery/resolve/caching_dns.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/resolve/testing/fake_dns.h"

namespace turnpike::delivery {
namespace {

class CachingDnsTest : public ::testing::Test {
 protected:
  std::shared_ptr<const DnsAnswer> Ask(CachingDns& dns, const std::string& name = "a.example") {
    std::shared_ptr<const DnsAnswer> result;
    dns.Ask({name, RecordType::kA}, [&](auto answer) { result = std::move(answer); });
    return result;
  }

  FakeDns source_;
  base::ManualClock clock_{absl::FromUnixSeconds(1795000000)};
};

TEST_F(CachingDnsTest, AnswerIsKeptForItsTimeToLive) {
  source_.SetAddresses("a.example", {"192.0.2.1"});
  CachingDns dns(source_, {}, clock_);
  EXPECT_EQ(Ask(dns)->addresses.size(), 1u);
  clock_.Advance(absl::Seconds(299));
  Ask(dns);
  EXPECT_EQ(source_.asked(), 1);
  clock_.Advance(absl::Seconds(2));
  Ask(dns);
  EXPECT_EQ(source_.asked(), 2);
}

TEST_F(CachingDnsTest, TimesStayWithinTheBounds) {
  source_.Set({"a.example", RecordType::kA},
              {.result = DnsAnswer::Result::kNoData, .time_to_live = absl::ZeroDuration()});
  CachingDns dns(source_, {.time_min = absl::Seconds(5), .time_max = absl::Seconds(20)}, clock_);
  Ask(dns);
  clock_.Advance(absl::Seconds(4));
  Ask(dns);
  EXPECT_EQ(source_.asked(), 1);
  source_.SetAddresses("a.example", {"192.0.2.1"});  // five minutes
  clock_.Advance(absl::Seconds(2));
  Ask(dns);
  EXPECT_EQ(source_.asked(), 2);
  clock_.Advance(absl::Seconds(21));
  Ask(dns);
  EXPECT_EQ(source_.asked(), 3);
}

TEST_F(CachingDnsTest, NegativeAnswersAreKeptFailuresOnlyAMoment) {
  CachingDns dns(source_, {}, clock_);
  EXPECT_EQ(Ask(dns)->result, DnsAnswer::Result::kNxDomain);
  clock_.Advance(absl::Seconds(60));
  Ask(dns);
  EXPECT_EQ(source_.asked(), 1);
  source_.Set({"b.example", RecordType::kA}, {.result = DnsAnswer::Result::kTimeout});
  Ask(dns, "b.example");
  Ask(dns, "b.example");
  EXPECT_EQ(source_.asked(), 2);
  clock_.Advance(absl::Seconds(2));
  Ask(dns, "b.example");
  EXPECT_EQ(source_.asked(), 3);
}

TEST_F(CachingDnsTest, QuestionsAtTheSameTimeAreAskedOnce) {
  source_.Hold();
  CachingDns dns(source_, {}, clock_);
  int answered = 0;
  for (int i = 0; i < 3; ++i) {
    dns.Ask({"a.example", RecordType::kA}, [&](auto) { ++answered; });
  }
  EXPECT_EQ(source_.asked(), 1);
  EXPECT_EQ(answered, 0);
  source_.Release();
  EXPECT_EQ(answered, 3);
}

TEST_F(CachingDnsTest, MemoryIsBounded) {
  CachingDns dns(source_, {.entries_max = 3}, clock_);
  for (int i = 0; i < 10; ++i) Ask(dns, absl::StrCat("h", i));
  EXPECT_EQ(dns.size(), 3u);
  Ask(dns, "h9");
  EXPECT_EQ(source_.asked(), 10);
  Ask(dns, "h0");
  EXPECT_EQ(source_.asked(), 11);
}

TEST_F(CachingDnsTest, AnswerMayComeAfterTheCacheIsGone) {
  source_.Hold();
  int answered = 0;
  {
    CachingDns dns(source_, {}, clock_);
    dns.Ask({"a.example", RecordType::kA}, [&](auto) { ++answered; });
  }
  source_.Release();
  EXPECT_EQ(answered, 1);
}

}  // namespace
}  // namespace turnpike::delivery
