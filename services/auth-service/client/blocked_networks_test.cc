#include "services/auth-service/client/blocked_networks.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::auth {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::ScreenUpdate Update(bool complete, const std::vector<std::string>& blocked,
                        const std::vector<std::string>& removed = {}) {
  v1::ScreenUpdate update;
  update.set_complete(complete);
  for (const std::string& network : blocked) update.add_blocked()->set_network(network);
  for (const std::string& network : removed) update.add_removed(network);
  return update;
}

std::string Found(const BlockedNetworks& networks, const std::string& address) {
  const std::optional<v1::BlockedNetwork> found = networks.Find(address, kNow);
  return found.has_value() ? found->network() : "";
}

TEST(BlockedNetworksTest, ClientsAreFoundByTheirNetwork) {
  BlockedNetworks networks;
  EXPECT_EQ(Found(networks, "192.0.2.1"), "");
  networks.Apply(Update(true, {"192.0.2.1/32", "192.0.2.0/24", "2001:db8:1::/64", "nonsense"}));
  EXPECT_EQ(Found(networks, "192.0.2.1"), "192.0.2.1/32");
  EXPECT_EQ(Found(networks, "192.0.2.2"), "192.0.2.0/24");
  EXPECT_EQ(Found(networks, "::ffff:192.0.2.2"), "192.0.2.0/24");
  EXPECT_EQ(Found(networks, "192.0.3.1"), "");
  EXPECT_EQ(Found(networks, "2001:db8:1::5"), "2001:db8:1::/64");
  EXPECT_EQ(Found(networks, "2001:db8:2::5"), "");
  EXPECT_EQ(Found(networks, "nonsense"), "");
}

TEST(BlockedNetworksTest, ChangesAndWholesFollowEachOther) {
  BlockedNetworks networks;
  networks.Apply(Update(true, {"192.0.2.1/32"}));
  networks.Apply(Update(false, {"192.0.2.2/32", "192.0.2.2/32"}, {"192.0.2.1/32", "192.0.2.9/32"}));
  EXPECT_EQ(Found(networks, "192.0.2.1"), "");
  EXPECT_EQ(Found(networks, "192.0.2.2"), "192.0.2.2/32");
  networks.Apply(Update(false, {}, {"192.0.2.2/32"}));
  EXPECT_EQ(Found(networks, "192.0.2.2"), "");
  networks.Apply(Update(false, {"192.0.2.3/32"}));
  networks.Apply(Update(true, {}));
  EXPECT_EQ(Found(networks, "192.0.2.3"), "");
}

TEST(BlockedNetworksTest, EntriesEndByThemselves) {
  BlockedNetworks networks;
  v1::ScreenUpdate update = Update(true, {"192.0.2.1/32"});
  update.mutable_blocked(0)->mutable_expire_time()->set_seconds(absl::ToUnixSeconds(kNow) + 1);
  networks.Apply(update);
  EXPECT_TRUE(networks.Find("192.0.2.1", kNow).has_value());
  EXPECT_FALSE(networks.Find("192.0.2.1", kNow + absl::Seconds(1)).has_value());
}

}  // namespace
}  // namespace turnpike::auth
