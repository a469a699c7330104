// A store on disk for tests, with a clock that is moved by hand, and few words for what is done
// with it.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_STORE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_STORE_H_

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "prometheus/registry.h"
#include "services/common/base/clock.h"
#include "services/common/base/message_id.h"
#include "services/spool-store/storage/metrics.h"
#include "services/spool-store/storage/rocks_store.h"
#include "services/spool-store/storage/testing.h"

namespace turnpike::spool {

inline constexpr absl::Duration kPatience = absl::Seconds(20);

// Collects what a worker is given.
class Worker : public Store::LeaseSink {
 public:
  void OnLeased(v1::LeaseResponse response) override {
    absl::MutexLock lock(&mu_);
    for (auto& delivery : *response.mutable_deliveries()) leased_.push_back(std::move(delivery));
    for (const auto& token : response.revoked()) revoked_.push_back(token);
    if (response.drained()) ++drained_;
  }
  bool HasRoom() override { return true; }

  // The first `count` deliveries ever leased; fewer when they do not come.
  std::vector<v1::LeasedDelivery> Wait(size_t count) {
    absl::MutexLock lock(&mu_);
    auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return leased_.size() >= count; };
    mu_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
    return leased_;
  }
  bool WaitDrained(int times) {
    absl::MutexLock lock(&mu_);
    auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return drained_ >= times; };
    return mu_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }
  std::vector<v1::LeaseToken> revoked() {
    absl::MutexLock lock(&mu_);
    return revoked_;
  }
  size_t count() {
    absl::MutexLock lock(&mu_);
    return leased_.size();
  }

 private:
  absl::Mutex mu_;
  std::vector<v1::LeasedDelivery> leased_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::LeaseToken> revoked_ ABSL_GUARDED_BY(mu_);
  int drained_ ABSL_GUARDED_BY(mu_) = 0;
};

inline v1::QueueName Queue(const std::string& name, v1::QueueKind kind) {
  v1::QueueName queue;
  queue.set_name(name);
  queue.set_kind(kind);
  return queue;
}

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    metrics_ = std::make_unique<Metrics>(std::make_shared<prometheus::Registry>());
    auto store = RocksStore::Open({.directory = directory_.path() + "/spool",
                                   .shard = shard_,
                                   .free_bytes_min = free_bytes_min_,
                                   .settle_time = settle_time_,
                                   .tick = absl::ZeroDuration(),
                                   .env_for_test = env_},
                                  clock_, *metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Reopen() {
    consumers_.clear();
    store_ = nullptr;
    Open();
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    store_->TickForTest();
  }

  v1::NewMessage Message(const std::string& queue, bool hold,
                         const std::string& content = "Subject: x\r\n\r\nbody\r\n") {
    v1::NewMessage message;
    message.set_message_id(std::string(base::MessageId::Generate(clock_.Now()).bytes()));
    message.mutable_envelope()->set_return_path("sender@example.com");
    message.set_inline_content(content);
    message.set_content_bytes(static_cast<int64_t>(content.size()));
    AddDelivery(message, queue, hold);
    return message;
  }
  static void AddDelivery(v1::NewMessage& message, const std::string& queue, bool hold) {
    v1::NewDelivery& delivery = *message.add_deliveries();
    *delivery.mutable_queue() = Queue(queue, hold ? v1::QUEUE_KIND_GATEWAY : v1::QUEUE_KIND_REMOTE);
    delivery.set_hold(hold);
    delivery.add_recipients()->set_address("a@" + queue);
    delivery.add_recipients()->set_address("b@" + queue);
  }

  v1::EnqueueResult Enqueue(v1::NewMessage message,
                            const std::shared_ptr<Store::Upload>& upload = nullptr) {
    std::promise<v1::EnqueueResult> result;
    store_->Enqueue(std::move(message), upload,
                    [&](v1::EnqueueResult r) { result.set_value(std::move(r)); });
    return result.get_future().get();
  }
  v1::EnqueueOutcome EnqueueOutcome(v1::NewMessage message,
                                    const std::shared_ptr<Store::Upload>& upload = nullptr) {
    return Enqueue(std::move(message), upload).outcome();
  }
  void MustEnqueue(const v1::NewMessage& message) {
    ASSERT_EQ(EnqueueOutcome(message), v1::ENQUEUE_OUTCOME_STORED);
  }

  Store::Consumer& LeaseDue(const std::shared_ptr<Worker>& worker, int32_t credit,
                            int32_t per_queue = 0) {
    v1::LeaseOpen open;
    open.set_worker("test");
    open.mutable_due()->set_deliveries_per_queue_max(per_queue);
    return Lease(open, worker, credit);
  }
  Store::Consumer& LeaseQueue(const std::shared_ptr<Worker>& worker, const std::string& gateway,
                              int32_t credit, int64_t deliveries_max = 0) {
    v1::LeaseOpen open;
    *open.mutable_queue()->mutable_queue() = Queue(gateway, v1::QUEUE_KIND_GATEWAY);
    open.mutable_queue()->add_recipient_domains(gateway);
    open.mutable_queue()->set_deliveries_max(deliveries_max);
    return Lease(open, worker, credit);
  }
  Store::Consumer& Lease(const v1::LeaseOpen& open, const std::shared_ptr<Worker>& worker,
                         int32_t credit) {
    auto consumer = store_->OpenConsumer(open, worker);
    EXPECT_TRUE(consumer.ok()) << consumer.status();
    consumers_.push_back(*std::move(consumer));
    AddCredit(*consumers_.back(), credit);
    return *consumers_.back();
  }
  static void AddCredit(Store::Consumer& consumer, int32_t credit) {
    v1::LeaseRequest request;
    request.set_credit(credit);
    consumer.Handle(request);
  }

  static v1::Settlement Outcomes(const v1::LeasedDelivery& leased, v1::Disposition disposition) {
    v1::Settlement settlement;
    *settlement.mutable_token() = leased.token();
    for (int32_t index : leased.recipient_indexes()) {
      v1::RecipientOutcome& outcome = *settlement.add_outcomes();
      outcome.set_index(index);
      outcome.set_disposition(disposition);
    }
    return settlement;
  }
  v1::Settlement Delayed(const v1::LeasedDelivery& leased, absl::Duration delay) {
    v1::Settlement settlement = Outcomes(leased, v1::DISPOSITION_DELAYED);
    settlement.mutable_defer_until()->set_seconds(absl::ToUnixSeconds(clock_.Now() + delay));
    return settlement;
  }
  v1::SettleOutcome Settle(v1::Settlement settlement) {
    std::promise<v1::SettleOutcome> outcome;
    store_->Settle(std::move(settlement),
                   [&](v1::SettleResult result) { outcome.set_value(result.outcome()); });
    return outcome.get_future().get();
  }
  v1::SettleOutcome Deliver(const v1::LeasedDelivery& leased) {
    return Settle(Outcomes(leased, v1::DISPOSITION_DELIVERED));
  }

  v1::ReleaseQueueResponse Release(const std::string& gateway, const std::string& address = "") {
    v1::ReleaseQueueRequest request;
    *request.mutable_queue() = Queue(gateway, v1::QUEUE_KIND_GATEWAY);
    if (!address.empty()) request.mutable_route()->set_address(address);
    std::promise<absl::StatusOr<v1::ReleaseQueueResponse>> result;
    store_->ReleaseQueue(request, [&](auto response) { result.set_value(std::move(response)); });
    return *result.get_future().get();
  }
  v1::QueueStats Stats(const std::string& name, v1::QueueKind kind) {
    v1::GetQueueRequest request;
    *request.mutable_queue() = Queue(name, kind);
    return store_->GetQueue(request)->stats();
  }
  v1::QueueStats Gateway(const std::string& name) { return Stats(name, v1::QUEUE_KIND_GATEWAY); }
  v1::QueueStats Remote(const std::string& name) { return Stats(name, v1::QUEUE_KIND_REMOTE); }

  absl::StatusOr<v1::Delivery> Get(uint64_t id) {
    v1::GetDeliveryRequest request;
    request.set_delivery_id(id);
    std::promise<absl::StatusOr<v1::GetDeliveryResponse>> result;
    store_->GetDelivery(request, [&](auto response) { result.set_value(std::move(response)); });
    auto response = result.get_future().get();
    if (!response.ok()) return response.status();
    return response->delivery();
  }
  absl::StatusOr<v1::UpdateDeliveryResponse> Update(const v1::UpdateDeliveryRequest& request) {
    std::promise<absl::StatusOr<v1::UpdateDeliveryResponse>> result;
    store_->UpdateDelivery(request, [&](auto response) { result.set_value(std::move(response)); });
    return result.get_future().get();
  }
  std::vector<v1::Delivery> List(const v1::ListDeliveriesRequest& first) {
    std::vector<v1::Delivery> deliveries;
    v1::ListDeliveriesRequest request = first;
    do {
      std::promise<absl::StatusOr<v1::ListDeliveriesResponse>> result;
      store_->ListDeliveries(request,
                             [&](auto response) { result.set_value(std::move(response)); });
      auto response = result.get_future().get();
      EXPECT_TRUE(response.ok()) << response.status();
      if (!response.ok()) break;
      for (auto& delivery : *response->mutable_deliveries()) deliveries.push_back(delivery);
      request.set_page_token(response->next_page_token());
    } while (!request.page_token().empty());
    return deliveries;
  }
  absl::StatusOr<std::string> Read(const std::string& message_id) {
    auto reader = store_->ReadContent(message_id);
    std::string content;
    while (true) {
      std::promise<absl::StatusOr<std::string>> result;
      reader->Next([&](auto piece) { result.set_value(std::move(piece)); });
      auto piece = result.get_future().get();
      if (!piece.ok()) return piece.status();
      if (piece->empty()) return content;
      content += *piece;
    }
  }
  // Waits until nothing of the store's own is under way.
  void Settled() { Release("nobody.example"); }

  TemporaryDirectory directory_;
  uint32_t shard_ = 0;
  uint64_t free_bytes_min_ = 0;
  absl::Duration settle_time_;
  rocksdb::Env* env_ = nullptr;  // outlives the store
  base::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<RocksStore> store_;
  std::vector<std::unique_ptr<Store::Consumer>> consumers_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_STORE_H_
