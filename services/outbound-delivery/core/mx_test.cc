#include "services/outbound-delivery/core/mx.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;

bool IsOwn(const std::string& host) { return host == "us.example"; }
size_t LastOf(size_t n) { return n - 1; }  // keeps the order

std::vector<std::string> HostsOf(const MxChoice& choice) {
  std::vector<std::string> hosts;
  for (const MxRecord& record : choice.hosts) hosts.push_back(record.host);
  return hosts;
}

TEST(ChooseMxTest, HostsAreOrderedByPreference) {
  const MxChoice choice = ChooseMx({{30, "c"}, {10, "a"}, {20, "b"}}, IsOwn, LastOf);
  EXPECT_EQ(choice.result, MxChoice::Result::kHosts);
  EXPECT_THAT(HostsOf(choice), ElementsAre("a", "b", "c"));
}

TEST(ChooseMxTest, EqualPreferencesAreShuffled) {
  std::set<std::string> first;
  size_t seed = 0;
  for (int i = 0; i < 64; ++i) {
    const auto random = [&](size_t n) { return (seed = seed * 31 + 7) % n; };
    first.insert(HostsOf(ChooseMx({{10, "a"}, {10, "b"}, {20, "c"}}, IsOwn, random))[0]);
  }
  EXPECT_THAT(first, ElementsAre("a", "b"));
}

TEST(ChooseMxTest, NullMxAloneMeansNoMail) {
  EXPECT_EQ(ChooseMx({{0, ""}}, IsOwn, LastOf).result, MxChoice::Result::kNullMx);
}

TEST(ChooseMxTest, NullMxBesideOthersIsIgnored) {
  EXPECT_THAT(HostsOf(ChooseMx({{0, ""}, {10, "a"}}, IsOwn, LastOf)), ElementsAre("a"));
}

TEST(ChooseMxTest, HostsNoBetterThanOursAreLeftOut) {
  struct Case {
    std::vector<MxRecord> records;
    std::vector<std::string> expected;
  };
  for (const Case& c : std::vector<Case>{
           {{{10, "a"}, {20, "us.example"}, {30, "b"}}, {"a"}},
           {{{10, "a"}, {20, "us.example"}, {20, "b"}}, {"a"}},
           {{{10, "us.example"}, {5, "a"}, {7, "b"}, {10, "c"}}, {"a", "b"}},
           {{{10, "us.example"}, {20, "us.example"}, {5, "a"}}, {"a"}},
       }) {
    EXPECT_EQ(HostsOf(ChooseMx(c.records, IsOwn, LastOf)), c.expected);
  }
}

TEST(ChooseMxTest, LoopWhenTheBestHostIsOurs) {
  EXPECT_EQ(ChooseMx({{10, "us.example"}}, IsOwn, LastOf).result, MxChoice::Result::kLoop);
  EXPECT_EQ(ChooseMx({{10, "a"}, {10, "us.example"}}, IsOwn, LastOf).result,
            MxChoice::Result::kLoop);
}

TEST(ChooseMxTest, OfAHundredHostsTheBestAreKept) {
  std::vector<MxRecord> records;
  for (uint16_t i = 0; i < 100; ++i) {
    records.push_back({static_cast<uint16_t>(1000 - i), absl::StrCat("h", i)});
  }
  const MxChoice choice = ChooseMx(records, IsOwn, LastOf);
  ASSERT_EQ(choice.hosts.size(), kMxHostsMax);
  EXPECT_EQ(choice.hosts[0].host, "h99");
}

TEST(ChooseMxTest, HostNamedTwiceIsTriedOnce) {
  EXPECT_THAT(HostsOf(ChooseMx({{10, "a"}, {20, "a"}, {30, "b"}}, IsOwn, LastOf)),
              ElementsAre("a", "b"));
}

}  // namespace
}  // namespace turnpike::delivery
