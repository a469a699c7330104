// Several stores in one process, each with its server, as shards of one spool.
#include "services/spool-store/rpc/shard_service.h"

#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "prometheus/registry.h"
#include "rocksdb/env.h"
#include "rocksdb/iterator.h"
#include "services/common/base/clock.h"
#include "services/common/base/message_id.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/spool-store/client/shard_id.h"
#include "services/spool-store/rpc/mover.h"
#include "services/spool-store/rpc/spool_service.h"
#include "services/spool-store/storage/database.h"
#include "services/spool-store/storage/metrics.h"
#include "services/spool-store/storage/rocks_store.h"
#include "services/spool-store/storage/testing.h"
#include "services/spool-store/storage/testing_file_system.h"
#include "services/spool-store/storage/testing_store.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kRefresh = absl::Milliseconds(50);  // how often the mover asks the others

// A store with its services, which can be ended and begun again at the same address.
class Shard {
 public:
  Shard(uint32_t number, std::vector<std::string>& addresses)
      : number_(number), addresses_(addresses) {}
  ~Shard() { Stop(); }

  void Start() {
    metrics_ = std::make_unique<Metrics>(std::make_shared<prometheus::Registry>());
    auto store = RocksStore::Open({.directory = directory_.path() + "/spool",
                                   .shard = number_,
                                   .free_bytes_min = 0,
                                   .tick = absl::Milliseconds(20),
                                   .env_for_test = env_.get()},
                                  base::Clock::System(), *metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    for (const std::string& address : addresses_) channels.push_back(rpc::CreateChannel(address));
    mover_ = std::make_unique<Mover>(store_->shard(), ShardPeers(number_, channels),
                                     Mover::Options{.start_delay = absl::ZeroDuration(),
                                                    .idle = absl::Milliseconds(20),
                                                    .refresh = kRefresh});
    spool_service_ = std::make_unique<SpoolService>(
        *store_, [this](const auto& request, absl::AnyInvocable<void(absl::Status)> done) {
          mover_->AfterRelease(request, std::move(done));
        });
    shard_service_ = std::make_unique<ShardService>(*store_, *mover_);
    auto server = rpc::Server::Start({.listen = addresses_[number_]},
                                     {spool_service_.get(), shard_service_.get()});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    addresses_[number_] = server_->address();
  }
  void Stop() {
    if (server_ == nullptr) return;
    mover_->Stop();
    spool_service_->Drain();
    shard_service_->Drain();
    server_->Shutdown(absl::Now() + absl::Seconds(5));
    store_->WaitIdle();
    server_ = nullptr;
    shard_service_ = nullptr;
    spool_service_ = nullptr;
    mover_ = nullptr;
    store_ = nullptr;
  }

  // Takes the last piece of a message's content off the disk. Only while it is stopped.
  void LosePiece(const std::string& message_id) {
    auto database = Database::Open({.directory = directory_.path() + "/spool"});
    ASSERT_TRUE(database.ok()) << database.status();
    const auto it = std::unique_ptr<rocksdb::Iterator>(
        (*database)->db().NewIterator(rocksdb::ReadOptions(), (*database)->content()));
    std::string last;
    for (it->Seek(message_id); it->Valid() && it->key().starts_with(message_id); it->Next()) {
      last = it->key().ToString();
    }
    ASSERT_TRUE(
        (*database)->db().Delete(rocksdb::WriteOptions(), (*database)->content(), last).ok());
  }

  void SetDiskFull(bool is_full) { files_->SetFull(is_full); }

  RocksStore& store() { return *store_; }
  Metrics& metrics() { return *metrics_; }
  void Enqueue(const v1::NewMessage& message,
               const std::shared_ptr<Store::Upload>& upload = nullptr) {
    std::promise<v1::EnqueueOutcome> outcome;
    store_->Enqueue(message, upload, [&](v1::EnqueueResult r) { outcome.set_value(r.outcome()); });
    ASSERT_EQ(outcome.get_future().get(), v1::ENQUEUE_OUTCOME_STORED);
  }
  std::vector<v1::Delivery> List() {
    std::vector<v1::Delivery> deliveries;
    v1::ListDeliveriesRequest request;
    request.set_page_size(1000);
    do {
      std::promise<absl::StatusOr<v1::ListDeliveriesResponse>> result;
      store_->ListDeliveries(request, [&](auto page) { result.set_value(std::move(page)); });
      auto page = *result.get_future().get();
      for (auto& delivery : *page.mutable_deliveries()) deliveries.push_back(std::move(delivery));
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return deliveries;
  }

 private:
  const uint32_t number_;
  std::vector<std::string>& addresses_;
  TemporaryDirectory directory_;
  const std::shared_ptr<FullFileSystem> files_ = std::make_shared<FullFileSystem>();
  const std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(files_);
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<RocksStore> store_;
  std::unique_ptr<Mover> mover_;
  std::unique_ptr<SpoolService> spool_service_;
  std::unique_ptr<ShardService> shard_service_;
  std::unique_ptr<rpc::Server> server_;
};

class ShardServiceTest : public testing::Test {
 protected:
  // Addresses must be known to all before the first one starts: each is begun twice.
  void Start(uint32_t count) {
    addresses_.assign(count, "127.0.0.1:0");
    for (uint32_t i = 0; i < count; ++i) {
      shards_.push_back(std::make_unique<Shard>(i, addresses_));
      shards_[i]->Start();
    }
    for (auto& shard : shards_) {
      shard->Stop();
      shard->Start();
    }
  }
  std::unique_ptr<v1::ShardService::Stub> Stub(uint32_t shard) {
    return v1::ShardService::NewStub(rpc::CreateChannel(addresses_[shard]));
  }
  v1::Shard GetShard(uint32_t shard) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::GetShardResponse response;
    const grpc::Status status = Stub(shard)->GetShard(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.shard();
  }
  grpc::Status SetDraining(uint32_t shard, bool draining) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::SetDrainingRequest request;
    request.set_draining(draining);
    v1::SetDrainingResponse response;
    return Stub(shard)->SetDraining(&context, request, &response);
  }
  template <typename Condition>
  bool Eventually(Condition condition) {
    const absl::Time end = absl::Now() + kPatience;
    while (!condition()) {
      if (absl::Now() > end) return false;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return true;
  }
  bool BecomesEmpty(uint32_t shard) {
    return Eventually([&] { return GetShard(shard).deliveries() == 0; });
  }

  static v1::NewMessage Message(const std::string& queue, bool hold) {
    v1::NewMessage message;
    message.set_message_id(std::string(base::MessageId::Generate(absl::Now()).bytes()));
    message.set_inline_content("Subject: x\r\n\r\nbody\r\n");
    message.set_content_bytes(static_cast<int64_t>(message.inline_content().size()));
    v1::NewDelivery& delivery = *message.add_deliveries();
    *delivery.mutable_queue() = Queue(queue, hold ? v1::QUEUE_KIND_GATEWAY : v1::QUEUE_KIND_REMOTE);
    delivery.set_hold(hold);
    delivery.add_recipients()->set_address("a@" + queue);
    return message;
  }
  // `count` messages for some queues, to one shard; their ids by queue.
  std::map<std::string, std::vector<std::string>> Fill(uint32_t shard, int count) {
    std::map<std::string, std::vector<std::string>> ids;
    for (int i = 0; i < count; ++i) {
      const std::string queue = "q" + std::to_string(i % 7) + ".example";
      const v1::NewMessage message = Message(queue, i % 7 != 0);
      ids[queue].push_back(message.message_id());
      shards_[shard]->Enqueue(message);
    }
    return ids;
  }
  // Each message is in exactly one of the shards.
  void ExpectOnce(const std::map<std::string, std::vector<std::string>>& ids) {
    std::map<std::string, std::multiset<std::string>> found;
    for (auto& shard : shards_) {
      for (const v1::Delivery& delivery : shard->List()) {
        found[delivery.queue().name()].insert(delivery.message_id());
      }
    }
    EXPECT_EQ(found.size(), ids.size());
    for (const auto& [queue, messages] : ids) {
      EXPECT_TRUE(found[queue] == std::multiset<std::string>(messages.begin(), messages.end()))
          << queue;
    }
  }
  // Likewise, and each queue's in the order of `ids`.
  void ExpectOnceAndInOrder(const std::map<std::string, std::vector<std::string>>& ids) {
    std::map<std::string, std::vector<std::string>> found;
    for (uint32_t i = 0; i < shards_.size(); ++i) {
      for (const v1::Delivery& delivery : shards_[i]->List()) {
        EXPECT_EQ(ShardOf(delivery.delivery_id()), i);
        found[delivery.queue().name()].push_back(delivery.message_id());
      }
    }
    EXPECT_EQ(found, ids);
  }

  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

TEST_F(ShardServiceTest, ShardSaysWhatItHas) {
  Start(2);
  shards_[1]->Enqueue(Message("branch.example", true));
  const v1::Shard shard = GetShard(1);
  EXPECT_EQ(shard.number(), 1u);
  EXPECT_EQ(shard.deliveries(), 1);
  EXPECT_TRUE(shard.accepting());
  EXPECT_FALSE(shard.draining());
  EXPECT_EQ(shard.drain_error(), "");
}

TEST_F(ShardServiceTest, DrainedShardsMailIsWithTheOthersInOrder) {
  Start(3);
  const auto ids = Fill(1, 600);
  ASSERT_TRUE(SetDraining(1, true).ok());
  EXPECT_TRUE(BecomesEmpty(1));
  const v1::Shard drained = GetShard(1);
  EXPECT_TRUE(drained.draining());
  EXPECT_FALSE(drained.accepting());
  EXPECT_EQ(drained.drain_error(), "");
  EXPECT_GT(shards_[0]->List().size(), 0u);
  EXPECT_GT(shards_[2]->List().size(), 0u);
  ExpectOnceAndInOrder(ids);
  EXPECT_EQ(shards_[1]->metrics().moved[Metrics::kOut]->Value(), 600);
  EXPECT_EQ(shards_[0]->metrics().moved[Metrics::kIn]->Value() +
                shards_[2]->metrics().moved[Metrics::kIn]->Value(),
            600);
}

TEST_F(ShardServiceTest, ShardZeroIsNotDrained) {
  Start(2);
  const grpc::Status status = SetDraining(0, true);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(status.error_message().find("shard 0 keeps the state"), std::string::npos);
  EXPECT_FALSE(GetShard(0).draining());
}

TEST_F(ShardServiceTest, LastShardThatTakesMailIsNotDrained) {
  Start(2);
  shards_[0]->Stop();
  const grpc::Status status = SetDraining(1, true);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(status.error_message().find("shard 0 is away"), std::string::npos);
  EXPECT_FALSE(GetShard(1).draining());
}

TEST_F(ShardServiceTest, MailThatCannotBeMovedIsHandedOutUntilItCan) {
  Start(2);
  for (int i = 0; i < 5; ++i) shards_[1]->Enqueue(Message("example.net", false));
  const auto lease = [&](const std::shared_ptr<Worker>& worker, int32_t credit) {
    v1::LeaseOpen open;
    open.mutable_due();
    auto consumer = *shards_[1]->store().OpenConsumer(open, worker);
    v1::LeaseRequest request;
    request.set_credit(credit);
    consumer->Handle(request);
    return consumer;
  };
  auto first = std::make_shared<Worker>();
  auto consumer = lease(first, 10);
  ASSERT_EQ(first->Wait(5).size(), 5u);
  ASSERT_TRUE(SetDraining(1, true).ok());
  shards_[0]->Stop();
  // Until the mover has asked again, which nobody sees while all is leased. It would send to the
  // shard that is away, and then has to wait for it.
  absl::SleepFor(10 * kRefresh);
  consumer = nullptr;
  EXPECT_TRUE(Eventually([&] {
    return GetShard(1).drain_error().find("shard 0 is away") != std::string::npos;
  })) << GetShard(1).DebugString();
  auto second = std::make_shared<Worker>();
  consumer = lease(second, 2);
  EXPECT_EQ(second->Wait(2).size(), 2u);
  shards_[0]->Start();
  EXPECT_TRUE(Eventually([&] { return GetShard(1).deliveries() == 2; }));  // what is leased
  consumer = nullptr;
  EXPECT_TRUE(BecomesEmpty(1));
  EXPECT_EQ(GetShard(1).drain_error(), "");
  EXPECT_EQ(shards_[0]->List().size(), 5u);
}

TEST_F(ShardServiceTest, LargeMessageThatLacksAPieceIsLeftOutAndTheRestIsMoved) {
  Start(2);
  v1::NewMessage message = Message("a.example", true);
  message.clear_inline_content();
  message.set_content_bytes(300'000);
  auto upload = shards_[1]->store().OpenUpload();
  for (int64_t offset = 0; offset < 300'000; offset += 150'000) {
    v1::ContentChunk chunk;
    chunk.set_message_id(message.message_id());
    chunk.set_offset(offset);
    chunk.set_data(std::string(150'000, 'x'));
    upload->Append(std::move(chunk), [] {});
  }
  shards_[1]->Enqueue(message, upload);
  upload = nullptr;
  for (int i = 0; i < 5; ++i) shards_[1]->Enqueue(Message("b.example", true));
  shards_[1]->Stop();
  shards_[1]->LosePiece(message.message_id());
  shards_[1]->Start();
  ASSERT_TRUE(SetDraining(1, true).ok());
  EXPECT_TRUE(Eventually([&] { return GetShard(0).deliveries() == 5; }));
  EXPECT_TRUE(Eventually([&] {
    return GetShard(1).drain_error().find("cannot be moved") != std::string::npos;
  })) << GetShard(1).DebugString();
  EXPECT_EQ(GetShard(1).deliveries(), 1);
}

TEST_F(ShardServiceTest, TargetWhoseDiskIsFullHoldsUpOnlyWhatItMayHave) {
  Start(3);
  const auto ids = Fill(1, 600);
  shards_[2]->SetDiskFull(true);
  ASSERT_TRUE(SetDraining(1, true).ok());
  // All but the queue whose first message may be stored there.
  EXPECT_TRUE(Eventually([&] { return GetShard(0).deliveries() > 500; }))
      << GetShard(0).DebugString() << GetShard(1).DebugString();
  EXPECT_GT(GetShard(1).deliveries(), 0);
  EXPECT_NE(GetShard(1).drain_error().find("shard 2 is away"), std::string::npos);
  shards_[2]->SetDiskFull(false);
  EXPECT_TRUE(BecomesEmpty(1)) << GetShard(1).DebugString();
  ExpectOnce(ids);
}

TEST_F(ShardServiceTest, BothSidesMayEndAtAnyTime) {
  Start(3);
  const auto ids = Fill(1, 3000);
  ASSERT_TRUE(SetDraining(1, true).ok());
  for (int i = 0; i < 12; ++i) {
    absl::SleepFor(absl::Milliseconds(15 + 7 * i));
    Shard& victim = *shards_[i % 3];
    victim.Stop();
    victim.Start();
  }
  EXPECT_TRUE(BecomesEmpty(1)) << GetShard(1).DebugString();
  ExpectOnce(ids);
}

TEST_F(ShardServiceTest, UndrainedShardTakesMailAgain) {
  Start(2);
  Fill(1, 20);
  ASSERT_TRUE(SetDraining(1, true).ok());
  ASSERT_TRUE(SetDraining(1, true).ok());
  EXPECT_TRUE(BecomesEmpty(1));
  ASSERT_TRUE(SetDraining(1, false).ok());
  EXPECT_TRUE(GetShard(1).accepting());
  EXPECT_FALSE(GetShard(1).draining());
  shards_[1]->Enqueue(Message("example.net", false));
  EXPECT_EQ(GetShard(1).deliveries(), 1);
}

TEST_F(ShardServiceTest, TwoShardsAreDrainedIntoTheLast) {
  Start(3);
  auto ids = Fill(1, 200);
  ASSERT_TRUE(SetDraining(1, true).ok());
  ASSERT_TRUE(SetDraining(2, true).ok());
  EXPECT_TRUE(BecomesEmpty(1)) << GetShard(1).DebugString();
  EXPECT_TRUE(BecomesEmpty(2)) << GetShard(2).DebugString();
  EXPECT_EQ(shards_[0]->List().size(), 200u);
}

TEST_F(ShardServiceTest, ReleaseReachesMailThatWasJustMoved) {
  Start(2);
  for (int i = 0; i < 20; ++i) shards_[1]->Enqueue(Message("branch.example", true));
  ASSERT_TRUE(SetDraining(1, true).ok());
  ASSERT_TRUE(Eventually([&] { return GetShard(0).deliveries() == 20; }));
  grpc::ClientContext context;
  v1::ReleaseQueueRequest request;
  *request.mutable_queue() = Queue("branch.example", v1::QUEUE_KIND_GATEWAY);
  request.mutable_route()->set_address("192.0.2.7");
  v1::ReleaseQueueResponse response;
  auto stub = v1::SpoolService::NewStub(rpc::CreateChannel(addresses_[1]));
  ASSERT_TRUE(stub->ReleaseQueue(&context, request, &response).ok());
  v1::GetQueueRequest get;
  *get.mutable_queue() = request.queue();
  const auto stats = shards_[0]->store().GetQueue(get)->stats();
  EXPECT_EQ(stats.ready(), 20);
  EXPECT_EQ(stats.route().address(), "192.0.2.7");
}

TEST_F(ShardServiceTest, StoreAloneSaysWhatItHasToo) {
  Start(1);
  EXPECT_EQ(GetShard(0).number(), 0u);
  EXPECT_EQ(SetDraining(0, true).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace turnpike::spool
