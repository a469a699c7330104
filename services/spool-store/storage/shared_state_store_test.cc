#include "services/spool-store/storage/shared_state_store.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "prometheus/registry.h"
#include "services/common/base/clock.h"
#include "services/spool-store/storage/metrics.h"
#include "services/spool-store/storage/rocks_store.h"
#include "services/spool-store/storage/testing.h"

namespace turnpike::spool {
namespace {

class SharedStateStoreTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    store_ = nullptr;
    auto store = RocksStore::Open({.directory = directory_.path(),
                                   .free_bytes_min = 0,
                                   .shared_entries_max = 3,
                                   .tick = absl::ZeroDuration()},
                                  clock_, metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  static v1::PutEntryRequest Entry(const std::string& key, int64_t ttl_seconds = 0) {
    v1::PutEntryRequest request;
    request.set_key(key);
    request.set_value("value of " + key);
    if (ttl_seconds > 0) request.mutable_time_to_live_duration()->set_seconds(ttl_seconds);
    return request;
  }
  absl::StatusOr<v1::PutEntryResponse> Put(const v1::PutEntryRequest& request) {
    std::promise<absl::StatusOr<v1::PutEntryResponse>> result;
    store_->shared_state().Put(request, [&](auto r) { result.set_value(std::move(r)); });
    return result.get_future().get();
  }
  absl::StatusOr<v1::Entry> Get(const std::string& key) {
    v1::GetEntryRequest request;
    request.set_key(key);
    std::promise<absl::StatusOr<v1::GetEntryResponse>> result;
    store_->shared_state().Get(request, [&](auto r) { result.set_value(std::move(r)); });
    auto response = result.get_future().get();
    if (!response.ok()) return response.status();
    return response->entry();
  }
  absl::Status Delete(const std::string& key, uint64_t if_version = 0) {
    v1::DeleteEntryRequest request;
    request.set_key(key);
    request.set_if_version(if_version);
    std::promise<absl::Status> result;
    store_->shared_state().Delete(request, [&](auto r) { result.set_value(r.status()); });
    return result.get_future().get();
  }
  absl::StatusOr<v1::ListEntriesResponse> List(const v1::ListEntriesRequest& request) {
    std::promise<absl::StatusOr<v1::ListEntriesResponse>> result;
    store_->shared_state().List(request, [&](auto r) { result.set_value(std::move(r)); });
    return result.get_future().get();
  }
  absl::StatusOr<v1::AddToEntryResponse> Add(const std::string& key, int64_t delta) {
    v1::AddToEntryRequest request;
    request.set_key(key);
    request.set_delta(delta);
    request.mutable_time_to_live_duration()->set_seconds(60);
    std::promise<absl::StatusOr<v1::AddToEntryResponse>> result;
    store_->shared_state().Add(request, [&](auto r) { result.set_value(std::move(r)); });
    return result.get_future().get();
  }

  TemporaryDirectory directory_;
  base::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  Metrics metrics_{std::make_shared<prometheus::Registry>()};
  std::unique_ptr<RocksStore> store_;
};

TEST_F(SharedStateStoreTest, EntriesOutliveARestartAndVersionsGrow) {
  const uint64_t version = Put(Entry("a"))->entry().version();
  EXPECT_GT(version, 0u);
  Open();
  EXPECT_EQ(Get("a")->value(), "value of a");
  EXPECT_EQ(Get("a")->version(), version);
  EXPECT_GT(Put(Entry("a"))->entry().version(), version);
}

TEST_F(SharedStateStoreTest, PreconditionsDecideWhoWrites) {
  v1::PutEntryRequest lock = Entry("lock", 30);
  lock.set_if_absent(true);
  const auto taken = Put(lock);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(Put(lock).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Delete("lock", taken->entry().version() + 1).code(), absl::StatusCode::kAborted);
  lock.set_if_version(taken->entry().version());
  EXPECT_TRUE(Put(lock).ok());
  EXPECT_EQ(Put(lock).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(Delete("lock").ok());
  EXPECT_TRUE(Delete("lock").ok());
}

TEST_F(SharedStateStoreTest, EntryIsGoneWhenItsTimeIsOver) {
  ASSERT_TRUE(Put(Entry("a", 10)).ok());
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(Get("a").status().code(), absl::StatusCode::kNotFound);
  v1::PutEntryRequest again = Entry("a", 10);
  again.set_if_absent(true);
  EXPECT_TRUE(Put(again).ok());
}

TEST_F(SharedStateStoreTest, SweepMakesRoomButSparesWhatWasRenewed) {
  ASSERT_TRUE(Put(Entry("a", 10)).ok());
  ASSERT_TRUE(Put(Entry("b", 10)).ok());
  ASSERT_TRUE(Put(Entry("c")).ok());
  EXPECT_EQ(Put(Entry("d")).status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(Put(Entry("b", 100)).ok());
  clock_.Advance(absl::Seconds(11));
  store_->TickForTest();
  EXPECT_TRUE(Put(Entry("d")).ok());  // behind the sweep in the same thread
  EXPECT_TRUE(Get("b").ok());
  EXPECT_EQ(store_->shared_state().count(), 3);
  Open();
  EXPECT_EQ(store_->shared_state().count(), 3);
}

TEST_F(SharedStateStoreTest, ListIsOrderedPagedAndOfItsPrefix) {
  for (const char* key : {"x/2", "x/1", "y/1"}) ASSERT_TRUE(Put(Entry(key)).ok());
  v1::ListEntriesRequest request;
  request.set_prefix("x/");
  request.set_page_size(1);
  auto page = List(request);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->entries(0).key(), "x/1");
  request.set_page_token(page->next_page_token());
  page = List(request);
  EXPECT_EQ(page->entries(0).key(), "x/2");
  EXPECT_EQ(page->next_page_token(), "");
}

TEST_F(SharedStateStoreTest, AddCountsAndKeepsTheTimeLimit) {
  EXPECT_EQ(Add("n", 2)->value(), 2);
  clock_.Advance(absl::Seconds(59));
  EXPECT_EQ(Add("n", -5)->value(), -3);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Add("n", 1)->value(), 1);
  ASSERT_TRUE(Put(Entry("text")).ok());
  EXPECT_EQ(Add("text", 1).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SharedStateStoreTest, LimitsAreKept) {
  EXPECT_EQ(Put(Entry("")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Put(Entry(std::string(513, 'k'))).status().code(), absl::StatusCode::kInvalidArgument);
  v1::PutEntryRequest large = Entry("large");
  large.set_value(std::string(64 * 1024 + 1, 'v'));
  EXPECT_EQ(Put(large).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace turnpike::spool
