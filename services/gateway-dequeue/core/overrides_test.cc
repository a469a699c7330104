#include "services/gateway-dequeue/core/overrides.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::dequeue {
namespace {

class OverridesTest : public ::testing::Test {
 protected:
  void AddAccess(const std::string& domain, v1::AccessList list, const std::string& network) {
    v1::AccessEntry entry;
    entry.set_list(list);
    entry.set_network(network);
    overrides_.Add(AccessKey(domain, list, network), entry.SerializeAsString());
  }
  bool HonorsFrom(const std::string& address) const {
    return Honors(gateway_, overrides_.For("a.example"), address);
  }
  static std::vector<net::IpNetwork> Networks(const std::vector<std::string>& texts) {
    std::vector<net::IpNetwork> networks;
    for (const std::string& text : texts) networks.push_back(*net::IpNetwork::Parse(text));
    return networks;
  }

  Gateway gateway_;
  Overrides overrides_;
};

TEST_F(OverridesTest, WithoutEntriesEverybodyIsHonored) {
  EXPECT_TRUE(HonorsFrom("192.0.2.1"));
  EXPECT_TRUE(HonorsFrom(""));
  EXPECT_TRUE(overrides_.For("a.example").access.empty());
  EXPECT_FALSE(overrides_.For("a.example").is_suspended());
}

// [DQ-40] [DQ-41] [DQ-42]
TEST_F(OverridesTest, AddedEntriesCountAsThoseOfTheConfiguration) {
  gateway_.honor_from = Networks({"192.0.2.0/24"});
  EXPECT_FALSE(HonorsFrom("198.51.100.1"));
  AddAccess("a.example", v1::ACCESS_LIST_HONOR, "198.51.100.0/24");
  AddAccess("a.example", v1::ACCESS_LIST_HONOR, "2001:db8::/32");
  EXPECT_TRUE(HonorsFrom("198.51.100.1"));
  EXPECT_TRUE(HonorsFrom("192.0.2.1"));
  EXPECT_TRUE(HonorsFrom("2001:db8::1"));
  EXPECT_TRUE(HonorsFrom("::ffff:198.51.100.1"));
  EXPECT_FALSE(HonorsFrom("203.0.113.1"));
  EXPECT_FALSE(HonorsFrom("nonsense"));
  AddAccess("a.example", v1::ACCESS_LIST_IGNORE, "198.51.100.7/32");
  EXPECT_FALSE(HonorsFrom("198.51.100.7"));
  EXPECT_FALSE(HonorsFrom("::ffff:198.51.100.7"));
  EXPECT_TRUE(HonorsFrom("198.51.100.8"));
}

TEST_F(OverridesTest, OneAddedHonorEntryShutsOutAllOthers) {
  AddAccess("a.example", v1::ACCESS_LIST_HONOR, "192.0.2.0/24");
  EXPECT_TRUE(HonorsFrom("192.0.2.1"));
  EXPECT_FALSE(HonorsFrom("198.51.100.1"));
}

TEST_F(OverridesTest, AnAddedIgnoreEntryLeavesAllOthersIn) {
  AddAccess("a.example", v1::ACCESS_LIST_IGNORE, "192.0.2.0/24");
  EXPECT_FALSE(HonorsFrom("192.0.2.1"));
  EXPECT_TRUE(HonorsFrom("198.51.100.1"));
}

TEST_F(OverridesTest, TheConfigurationsIgnoreCannotBeOverridden) {
  gateway_.ignore_from = Networks({"192.0.2.1"});
  AddAccess("a.example", v1::ACCESS_LIST_HONOR, "192.0.2.1/32");
  EXPECT_FALSE(HonorsFrom("192.0.2.1"));
}

TEST_F(OverridesTest, EntriesAreTheirOwnGatewaysOnly) {
  AddAccess("b.example", v1::ACCESS_LIST_IGNORE, "192.0.2.1/32");
  overrides_.Add(SuspendedKey("a.example.org"), "");
  EXPECT_TRUE(HonorsFrom("192.0.2.1"));
  EXPECT_FALSE(overrides_.For("a.example").is_suspended());
  EXPECT_TRUE(overrides_.For("a.example.org").is_suspended());
}

TEST_F(OverridesTest, ASuspensionKeepsItsReason) {
  v1::Gateway suspension;
  suspension.set_suspend_reason("unpaid");
  suspension.mutable_suspend_time()->set_seconds(1'700'000'000);
  overrides_.Add(SuspendedKey("a.example"), suspension.SerializeAsString());
  ASSERT_TRUE(overrides_.For("a.example").is_suspended());
  EXPECT_EQ(overrides_.For("a.example").suspension->suspend_reason(), "unpaid");
}

TEST_F(OverridesTest, WhatIsNotUnderstoodIsLeftOut) {
  overrides_.Add("elsewhere/a.example/suspended", "");
  overrides_.Add("gateway/a.example", "");
  overrides_.Add("gateway/a.example/newer", "");
  overrides_.Add("gateway/a.example/access/honor/x", "\xff\xff");
  AddAccess("a.example", v1::ACCESS_LIST_HONOR, "no network");
  AddAccess("a.example", v1::ACCESS_LIST_UNSPECIFIED, "192.0.2.1/32");
  EXPECT_FALSE(overrides_.For("a.example").is_suspended());
  EXPECT_TRUE(overrides_.For("a.example").access.empty());
}

TEST_F(OverridesTest, EntriesAreListedWithWhereTheyComeFrom) {
  gateway_.honor_from = Networks({"192.0.2.0/24"});
  gateway_.ignore_from = Networks({"192.0.2.1"});
  AddAccess("a.example", v1::ACCESS_LIST_HONOR, "2001:db8::/32");
  const std::vector<v1::AccessEntry> entries = AccessEntries(gateway_, overrides_.For("a.example"));
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].network(), "192.0.2.0/24");
  EXPECT_EQ(entries[0].list(), v1::ACCESS_LIST_HONOR);
  EXPECT_TRUE(entries[0].configured());
  EXPECT_EQ(entries[1].network(), "192.0.2.1/32");
  EXPECT_EQ(entries[1].list(), v1::ACCESS_LIST_IGNORE);
  EXPECT_EQ(entries[2].network(), "2001:db8::/32");
  EXPECT_FALSE(entries[2].configured());
}

}  // namespace
}  // namespace turnpike::dequeue
