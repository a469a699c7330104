#include "services/spool-store/client/stores.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::spool {
namespace {

TEST(StoresTest, OneStoreIsAtItsServicesTarget) {
  config::v1::Config config;
  config.mutable_services()->mutable_spool_store()->set_target("store:7101");
  EXPECT_EQ(StoreTargets(config), std::vector<std::string>{"store:7101"});
}

TEST(StoresTest, ShardsAreInTheirOrder) {
  config::v1::Config config;
  config.mutable_services()->mutable_spool_store()->set_target("store:7101");
  config.mutable_spool()->add_shards("a:1");
  config.mutable_spool()->add_shards("b:1");
  EXPECT_EQ(StoreTargets(config), (std::vector<std::string>{"a:1", "b:1"}));
}

TEST(StoresTest, ClientsOfStoresThatAreAwayEnd) {
  config::v1::Config config;
  for (const char* target : {"127.0.0.1:1", "127.0.0.1:2"}) {
    config.mutable_spool()->add_shards(target);
  }
  const Stores stores = ConnectToStores(config, nullptr);
  absl::Status status;
  {
    const auto spool = CreateSpool(stores);
    const auto slots = CreateSlots(stores);
    const auto state = CreateSharedState(stores);
    auto slot = slots->Take({.key = "x"}, [] {});
    spool->Enqueue(v1::NewMessage(), absl::InfiniteFuture(),
                   [&](const absl::Status& result) { status = result; });
  }
  EXPECT_TRUE(absl::IsCancelled(status));
}

}  // namespace
}  // namespace turnpike::spool
