#include "services/auth-service/screen/screen_table.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace turnpike::auth {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

net::IpNetwork Network(const char* text) { return *net::IpNetwork::Parse(text); }

BlockRecord BlockUntil(absl::Time end) {
  BlockRecord block;
  block.set_end_time(end == absl::InfiniteFuture() ? 0 : absl::ToUnixSeconds(end));
  return block;
}

std::string Found(const ScreenTable& table, const char* address, absl::Time now = kNow) {
  const auto found = table.Find(*net::IpAddress::Parse(address), now);
  return found ? found->network() : "";
}

TEST(ScreenTableTest, AddressIsFoundByTheLongestPrefixInForce) {
  ScreenTable table;
  table.Set(Network("10.0.0.0/8"), BlockUntil(absl::InfiniteFuture()), kNow);
  table.Set(Network("10.1.2.3/32"), BlockUntil(kNow + absl::Hours(1)), kNow);
  table.Set(Network("2001:db8:1:2::/64"), BlockUntil(kNow + absl::Hours(1)), kNow);
  EXPECT_EQ(Found(table, "10.1.2.3"), "10.1.2.3/32");
  EXPECT_EQ(Found(table, "10.1.2.3", kNow + absl::Hours(1)), "10.0.0.0/8");
  EXPECT_EQ(Found(table, "10.1.2.4"), "10.0.0.0/8");
  EXPECT_EQ(Found(table, "::ffff:10.1.2.3"), "10.1.2.3/32");
  EXPECT_EQ(Found(table, "11.1.2.3"), "");
  EXPECT_EQ(Found(table, "2001:db8:1:2:ffff::9"), "2001:db8:1:2::/64");
  EXPECT_EQ(Found(table, "2001:db8:1:3::9"), "");
  table.Remove(Network("10.0.0.0/8"));
  EXPECT_EQ(Found(table, "10.1.2.4"), "");
}

TEST(ScreenTableTest, ChangesAreToldOnce) {
  ScreenTable table;
  const BlockRecord block = BlockUntil(kNow + absl::Hours(1));
  auto updates = table.Set(Network("192.0.2.1"), block, kNow);
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_FALSE(updates[0].complete());
  ASSERT_EQ(updates[0].blocked_size(), 1);
  EXPECT_EQ(updates[0].blocked(0).network(), "192.0.2.1/32");
  EXPECT_EQ(updates[0].blocked(0).expire_time().seconds(), block.end_time());
  EXPECT_TRUE(table.Set(Network("192.0.2.1"), block, kNow).empty());
  updates = table.Set(Network("192.0.2.1"), BlockUntil(kNow + absl::Hours(2)), kNow);
  EXPECT_EQ(updates.size(), 1u);
  updates = table.Remove(Network("192.0.2.1"));
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].removed(0), "192.0.2.1/32");
  EXPECT_TRUE(table.Remove(Network("192.0.2.1")).empty());
}

TEST(ScreenTableTest, ReplacingTellsTheDifference) {
  ScreenTable table;
  table.Set(Network("192.0.2.1"), BlockUntil(kNow + absl::Hours(1)), kNow);
  table.Set(Network("192.0.2.2"), BlockUntil(kNow + absl::Hours(1)), kNow);
  table.Set(Network("192.0.2.3"), BlockUntil(kNow + absl::Seconds(1)), kNow);
  const absl::Time later = kNow + absl::Minutes(1);
  const auto updates = table.Replace({{Network("192.0.2.2"), BlockUntil(kNow + absl::Hours(1))},
                                      {Network("192.0.2.4"), BlockUntil(kNow + absl::Hours(1))},
                                      {Network("192.0.2.5"), BlockUntil(kNow)}},
                                     later);
  ASSERT_EQ(updates.size(), 1u);
  ASSERT_EQ(updates[0].removed_size(), 1);  // what has ended needs no word
  EXPECT_EQ(updates[0].removed(0), "192.0.2.1/32");
  ASSERT_EQ(updates[0].blocked_size(), 1);
  EXPECT_EQ(updates[0].blocked(0).network(), "192.0.2.4/32");
  EXPECT_EQ(table.size(), 2u);
}

TEST(ScreenTableTest, WholeComesInPiecesOfWhichTheFirstIsComplete) {
  ScreenTable table;
  EXPECT_EQ(table.Whole(kNow).size(), 1u);
  EXPECT_TRUE(table.Whole(kNow)[0].complete());
  for (int i = 0; i < 5'000; ++i) {
    table.Set(Network(absl::StrCat("10.0.", i / 256, ".", i % 256).c_str()),
              BlockUntil(kNow + absl::Hours(1)), kNow);
  }
  const auto updates = table.Whole(kNow);
  ASSERT_EQ(updates.size(), 3u);
  int count = 0;
  for (const v1::ScreenUpdate& update : updates) {
    EXPECT_EQ(update.complete(), &update == &updates[0]);
    EXPECT_LE(update.blocked_size(), ScreenTable::kNetworksPerUpdateMax);
    count += update.blocked_size();
  }
  EXPECT_EQ(count, 5'000);
  EXPECT_EQ(table.Whole(kNow + absl::Hours(2))[0].blocked_size(), 0);
}

}  // namespace
}  // namespace turnpike::auth
