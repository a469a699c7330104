// The services over real gRPC, with the client library at the other end.
#include "services/spool-store/rpc/spool_service.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "prometheus/registry.h"
#include "services/common/base/clock.h"
#include "services/common/base/message_id.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/spool-store/client/rpc_shared_state.h"
#include "services/spool-store/client/rpc_slots.h"
#include "services/spool-store/client/rpc_spool.h"
#include "services/spool-store/rpc/shared_state_service.h"
#include "services/spool-store/rpc/slot_desk.h"
#include "services/spool-store/storage/rocks_store.h"
#include "services/spool-store/storage/testing.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

class Recorder : public LeaseStream::Handler {
 public:
  void OnLeased(v1::LeaseResponse response) override {
    absl::MutexLock lock(&mu_);
    for (auto& delivery : *response.mutable_deliveries()) leased_.push_back(std::move(delivery));
  }
  void OnClosed(absl::Status status) override {
    absl::MutexLock lock(&mu_);
    closed_.push_back(std::move(status));
  }
  std::vector<v1::LeasedDelivery> Wait(size_t count) {
    absl::MutexLock lock(&mu_);
    auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return leased_.size() >= count; };
    mu_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
    return leased_;
  }
  std::vector<absl::Status> WaitClosed() {
    absl::MutexLock lock(&mu_);
    auto closed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !closed_.empty(); };
    mu_.AwaitWithTimeout(absl::Condition(&closed), kPatience);
    return closed_;
  }

 private:
  absl::Mutex mu_;
  std::vector<v1::LeasedDelivery> leased_ ABSL_GUARDED_BY(mu_);
  std::vector<absl::Status> closed_ ABSL_GUARDED_BY(mu_);
};

class SpoolServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    Start("127.0.0.1:0");
    channel_ = rpc::CreateChannel(server_->address());
    spool_ = RpcSpool::Create(channel_);
  }
  void TearDown() override {
    spool_ = nullptr;
    if (server_ != nullptr) Stop();
  }

  void Start(const std::string& listen) {
    metrics_ = std::make_unique<Metrics>(std::make_shared<prometheus::Registry>());
    auto store = RocksStore::Open({.directory = directory_.path() + "/spool", .free_bytes_min = 0},
                                  base::Clock::System(), *metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    service_ = std::make_unique<SpoolService>(*store_);
    slots_ = std::make_unique<SlotDesk>(base::Clock::System(), *metrics_->slots_held,
                                        *metrics_->slots_waiting);
    shared_state_service_ = std::make_unique<SharedStateService>(store_->shared_state(), *slots_);
    auto server =
        rpc::Server::Start({.listen = listen}, {service_.get(), shared_state_service_.get()});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  // As the service's drain.
  void Stop() {
    store_->Drain();
    service_->Drain();
    shared_state_service_->Drain();
    server_->Shutdown(absl::Now() + absl::Seconds(5));
    store_->WaitIdle();
    server_ = nullptr;
    service_ = nullptr;
    shared_state_service_ = nullptr;
    slots_ = nullptr;
    store_ = nullptr;
  }

  static v1::NewMessage Message(const std::string& content = "body\r\n") {
    v1::NewMessage message;
    message.set_message_id(std::string(base::MessageId::Generate(absl::Now()).bytes()));
    message.set_inline_content(content);
    message.set_content_bytes(static_cast<int64_t>(content.size()));
    v1::NewDelivery& delivery = *message.add_deliveries();
    delivery.mutable_queue()->set_kind(v1::QUEUE_KIND_REMOTE);
    delivery.mutable_queue()->set_name("example.org");
    delivery.add_recipients()->set_address("a@example.org");
    return message;
  }
  std::future<absl::Status> Enqueue(v1::NewMessage message) {
    auto result = std::make_shared<std::promise<absl::Status>>();
    spool_->Enqueue(std::move(message), absl::Now() + kPatience,
                    [result](absl::Status status) { result->set_value(std::move(status)); });
    return result->get_future();
  }
  absl::Status Append(const std::string& id, int64_t offset, std::string data) {
    std::promise<absl::Status> result;
    spool_->AppendContent(id, offset, std::move(data),
                          [&](absl::Status status) { result.set_value(std::move(status)); });
    return result.get_future().get();
  }
  static absl::StatusOr<std::string> ReadPiece(ContentReader& reader) {
    std::promise<absl::StatusOr<std::string>> result;
    reader.Next([&](absl::StatusOr<std::string> piece) { result.set_value(std::move(piece)); });
    return result.get_future().get();
  }
  std::unique_ptr<LeaseStream> LeaseDue(const std::shared_ptr<Recorder>& recorder, int32_t credit) {
    v1::LeaseOpen open;
    open.mutable_due();
    auto stream = spool_->OpenLease(open, recorder);
    stream->AddCredit(credit);
    return stream;
  }
  std::future<absl::StatusOr<v1::SettleOutcome>> Deliver(const v1::LeasedDelivery& leased) {
    v1::Settlement settlement;
    *settlement.mutable_token() = leased.token();
    settlement.add_outcomes()->set_disposition(v1::DISPOSITION_DELIVERED);
    auto result = std::make_shared<std::promise<absl::StatusOr<v1::SettleOutcome>>>();
    spool_->Settle(settlement, absl::Now() + kPatience,
                   [result](auto outcome) { result->set_value(std::move(outcome)); });
    return result->get_future();
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<RocksStore> store_;
  std::unique_ptr<SpoolService> service_;
  std::unique_ptr<SlotDesk> slots_;
  std::unique_ptr<SharedStateService> shared_state_service_;
  std::unique_ptr<rpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<RpcSpool> spool_;
};

TEST_F(SpoolServiceTest, MessageGoesThroughOverStreams) {
  auto recorder = std::make_shared<Recorder>();
  auto stream = LeaseDue(recorder, 10);
  ASSERT_TRUE(Enqueue(Message()).get().ok());
  const auto leased = recorder->Wait(1);
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(leased[0].inline_content(), "body\r\n");
  EXPECT_EQ(*Deliver(leased[0]).get(), v1::SETTLE_OUTCOME_SETTLED);
}

TEST_F(SpoolServiceTest, ManyMessagesInFlightAreAllAnswered) {
  std::vector<std::future<absl::Status>> results;
  for (int i = 0; i < 2000; ++i) results.push_back(Enqueue(Message(std::string(3000, 'x'))));
  for (auto& result : results) EXPECT_TRUE(result.get().ok());
  auto recorder = std::make_shared<Recorder>();
  auto stream = LeaseDue(recorder, 1000);
  std::vector<std::future<absl::StatusOr<v1::SettleOutcome>>> settled;
  size_t done = 0;
  while (done < 2000) {
    const auto leased = recorder->Wait(done + 1);
    ASSERT_GT(leased.size(), done);
    for (; done < leased.size(); ++done) {
      settled.push_back(Deliver(leased[done]));
      stream->AddCredit(1);
    }
  }
  for (auto& result : settled) EXPECT_EQ(*result.get(), v1::SETTLE_OUTCOME_SETTLED);
}

TEST_F(SpoolServiceTest, LargeContentTravelsInPieces) {
  const std::string piece(256 * 1024, 'x');
  v1::NewMessage message = Message("");
  message.set_content_bytes(static_cast<int64_t>(4 * piece.size()));
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(Append(message.message_id(), static_cast<int64_t>(i * piece.size()), piece).ok());
  }
  ASSERT_TRUE(Enqueue(message).get().ok());
  const auto reader = spool_->ReadContent(1, message.message_id());
  size_t bytes = 0;
  while (true) {
    const absl::StatusOr<std::string> data = ReadPiece(*reader);
    ASSERT_TRUE(data.ok()) << data.status();
    if (data->empty()) break;
    bytes += data->size();
  }
  EXPECT_EQ(bytes, 4 * piece.size());
  EXPECT_EQ(*ReadPiece(*reader), "");
}

TEST_F(SpoolServiceTest, ContentIsReadOnAfterARestartOfTheStore) {
  constexpr int kPieces = 20;
  constexpr size_t kPieceBytes = 200'000;
  const std::string address = server_->address();
  v1::NewMessage message = Message("");
  message.set_content_bytes(static_cast<int64_t>(kPieces * kPieceBytes));
  std::string content;
  for (int i = 0; i < kPieces; ++i) {
    const std::string piece(kPieceBytes, static_cast<char>('a' + i));
    ASSERT_TRUE(Append(message.message_id(), static_cast<int64_t>(content.size()), piece).ok());
    content += piece;
  }
  ASSERT_TRUE(Enqueue(message).get().ok());
  const auto reader = spool_->ReadContent(1, message.message_id());
  std::string read = *ReadPiece(*reader);
  Stop();
  Start(address);
  while (true) {
    const absl::StatusOr<std::string> piece = ReadPiece(*reader);
    ASSERT_TRUE(piece.ok()) << piece.status();
    if (piece->empty()) break;
    read += *piece;
  }
  EXPECT_EQ(read, content);
}

TEST_F(SpoolServiceTest, ContentOfAnUnknownMessageIsNotFound) {
  const auto reader = spool_->ReadContent(1, std::string(16, 'x'));
  EXPECT_EQ(ReadPiece(*reader).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SpoolServiceTest, AnswersOutliveARestartOfTheStore) {
  const std::string address = server_->address();
  auto recorder = std::make_shared<Recorder>();
  auto stream = LeaseDue(recorder, 1);
  ASSERT_TRUE(Enqueue(Message()).get().ok());
  const auto leased = recorder->Wait(1).at(0);
  Stop();
  EXPECT_EQ(recorder->WaitClosed().at(0).code(), absl::StatusCode::kUnavailable);
  auto stored = Enqueue(Message());  // waits for the store
  auto settled = Deliver(leased);
  Start(address);
  EXPECT_TRUE(stored.get().ok());
  EXPECT_EQ(*settled.get(), v1::SETTLE_OUTCOME_SETTLED);
}

TEST_F(SpoolServiceTest, PiecesDoNotOutliveTheirStream) {
  const std::string address = server_->address();
  v1::NewMessage message = Message("");
  message.set_content_bytes(20);
  ASSERT_TRUE(Append(message.message_id(), 0, "0123456789").ok());
  Stop();
  Start(address);
  // Whether the client knows already that its stream is broken or not.
  const absl::Status appended = Append(message.message_id(), 10, "0123456789");
  const absl::Status stored = Enqueue(message).get();
  EXPECT_FALSE(stored.ok()) << appended;
}

TEST_F(SpoolServiceTest, DeadlineEndsTheWaitForAStoreThatIsAway) {
  Stop();
  std::promise<absl::Status> result;
  spool_->Enqueue(Message(), absl::Now() + absl::Milliseconds(200),
                  [&](absl::Status status) { result.set_value(std::move(status)); });
  EXPECT_EQ(result.get_future().get().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SpoolServiceTest, EndOfTheClientEndsItsCallbacks) {
  Stop();
  auto stored = Enqueue(Message());
  spool_ = nullptr;
  EXPECT_EQ(stored.get().code(), absl::StatusCode::kCancelled);
}

TEST_F(SpoolServiceTest, LeaseStreamWithoutScopeIsRefused) {
  auto recorder = std::make_shared<Recorder>();
  auto stream = spool_->OpenLease(v1::LeaseOpen(), recorder);
  EXPECT_EQ(recorder->WaitClosed().at(0).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SpoolServiceTest, DestroyedStreamGivesItsLeasesBack) {
  auto recorder = std::make_shared<Recorder>();
  auto stream = LeaseDue(recorder, 1);
  ASSERT_TRUE(Enqueue(Message()).get().ok());
  ASSERT_EQ(recorder->Wait(1).size(), 1u);
  stream = nullptr;
  auto next = std::make_shared<Recorder>();
  auto next_stream = LeaseDue(next, 1);
  EXPECT_EQ(next->Wait(1).size(), 1u);
}

TEST_F(SpoolServiceTest, QueuesAreReleasedAndShown) {
  v1::NewMessage message = Message();
  message.mutable_deliveries(0)->mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
  message.mutable_deliveries(0)->set_hold(true);
  ASSERT_TRUE(Enqueue(message).get().ok());
  v1::ReleaseQueueRequest request;
  *request.mutable_queue() = message.deliveries(0).queue();
  std::promise<absl::StatusOr<v1::ReleaseQueueResponse>> released;
  spool_->ReleaseQueue(request, absl::Now() + kPatience,
                       [&](auto response) { released.set_value(std::move(response)); });
  EXPECT_EQ(released.get_future().get()->released(), 1);
  v1::GetQueueRequest get;
  *get.mutable_queue() = request.queue();
  std::promise<absl::StatusOr<v1::GetQueueResponse>> shown;
  spool_->GetQueue(get, absl::Now() + kPatience,
                   [&](auto response) { shown.set_value(std::move(response)); });
  EXPECT_EQ(shown.get_future().get()->stats().ready(), 1);
}

// Numbers of what has been granted.
class GrantedNumbers {
 public:
  void Add(int number) {
    absl::MutexLock lock(&mu_);
    numbers_.push_back(number);
  }
  std::vector<int> Wait(size_t count) {
    absl::MutexLock lock(&mu_);
    auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return numbers_.size() >= count; };
    mu_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
    return numbers_;
  }

 private:
  absl::Mutex mu_;
  std::vector<int> numbers_ ABSL_GUARDED_BY(mu_);
};

TEST_F(SpoolServiceTest, SlotsAreBoundedOverAllClientsAndEndWithThem) {
  GrantedNumbers granted;
  auto one = CreateRpcSlots(channel_);
  auto other = CreateRpcSlots(channel_);
  auto take = [&](Slots& slots, int number, int32_t per_minute_max = 0) {
    return slots.Take({.key = "k", .slots_max = 1, .per_minute_max = per_minute_max},
                      [&granted, number] { granted.Add(number); });
  };
  auto first = take(*one, 1);
  ASSERT_EQ(granted.Wait(1), std::vector<int>{1});
  auto second = take(*other, 2);
  first = nullptr;
  EXPECT_EQ(granted.Wait(2), (std::vector<int>{1, 2}));
  auto third = take(*one, 3);
  other = nullptr;  // as a process that ends
  EXPECT_EQ(granted.Wait(3), (std::vector<int>{1, 2, 3}));
}

TEST_F(SpoolServiceTest, SlotsAreTakenAgainWhenTheStoreIsBack) {
  const std::string address = server_->address();
  GrantedNumbers granted;
  auto slots = CreateRpcSlots(channel_);
  auto take = [&](int number) {
    return slots->Take({.key = "k", .slots_max = 1}, [&granted, number] { granted.Add(number); });
  };
  auto first = take(1);
  ASSERT_EQ(granted.Wait(1), std::vector<int>{1});
  auto second = take(2);
  Stop();
  auto third = take(3);
  second = nullptr;
  Start(address);
  // The first one counts again, and is not granted twice.
  auto free = slots->Take({.key = "free", .slots_max = 1}, [&granted] { granted.Add(0); });
  EXPECT_EQ(granted.Wait(2), (std::vector<int>{1, 0}));
  first = nullptr;
  EXPECT_EQ(granted.Wait(3), (std::vector<int>{1, 0, 3}));
}

TEST_F(SpoolServiceTest, SlotsThatWaitForTheirMinuteComeByThemselves) {
  GrantedNumbers granted;
  base::ManualClock clock(absl::FromUnixSeconds(1'700'000'000));
  SlotDesk desk(clock, *metrics_->slots_held, *metrics_->slots_waiting);
  const auto stream = desk.Open([&](const std::vector<uint64_t>& slot_ids) {
    for (const uint64_t id : slot_ids) granted.Add(static_cast<int>(id));
  });
  v1::HoldSlotsRequest request;
  for (const uint64_t id : {1, 2}) {
    v1::SlotRequest& take = *request.add_take();
    take.set_slot_id(id);
    take.set_key("k");
    take.set_per_minute_max(1);
  }
  ASSERT_TRUE(desk.Handle(stream, request).ok());
  EXPECT_EQ(granted.Wait(1), std::vector<int>{1});
  EXPECT_EQ(metrics_->slots_held->Value(), 1);
  EXPECT_EQ(metrics_->slots_waiting->Value(), 1);
  clock.Advance(absl::Minutes(1));
  EXPECT_EQ(granted.Wait(2), (std::vector<int>{1, 2}));
  desk.Close(stream);
  EXPECT_EQ(metrics_->slots_held->Value(), 0);
}

TEST_F(SpoolServiceTest, PausedQueueIsLeftOutOverTheStream) {
  auto recorder = std::make_shared<Recorder>();
  auto stream = LeaseDue(recorder, 10);
  v1::QueueName queue = Message().deliveries(0).queue();
  stream->Pause(queue);
  stream->Resume(queue);
  stream->Pause(queue);
  v1::NewMessage other = Message();
  other.mutable_deliveries(0)->mutable_queue()->set_name("other.example");
  ASSERT_TRUE(Enqueue(other).get().ok());
  ASSERT_EQ(recorder->Wait(1).size(), 1u);
  ASSERT_TRUE(Enqueue(Message()).get().ok());
  ASSERT_TRUE(Enqueue(other).get().ok());  // repeated: nothing new
  EXPECT_EQ(recorder->Wait(1).size(), 1u);
  stream->Resume(queue);
  const auto leased = recorder->Wait(2);
  ASSERT_EQ(leased.size(), 2u);
  EXPECT_EQ(leased[1].queue().name(), "example.org");
}

TEST_F(SpoolServiceTest, SharedStateIsServed) {
  auto state = CreateRpcSharedState(channel_);
  v1::PutEntryRequest put;
  put.set_key("area/name");
  put.set_value("v");
  put.set_if_absent(true);
  for (const absl::StatusCode expected : {absl::StatusCode::kOk, absl::StatusCode::kAborted}) {
    std::promise<absl::Status> result;
    state->Put(put, absl::Now() + kPatience,
               [&](auto response) { result.set_value(response.status()); });
    EXPECT_EQ(result.get_future().get().code(), expected);
  }
  v1::ListEntriesRequest list;
  list.set_prefix("area/");
  std::promise<absl::StatusOr<v1::ListEntriesResponse>> listed;
  state->List(list, absl::Now() + kPatience,
              [&](auto response) { listed.set_value(std::move(response)); });
  EXPECT_EQ(listed.get_future().get()->entries_size(), 1);
}

}  // namespace
}  // namespace turnpike::spool
