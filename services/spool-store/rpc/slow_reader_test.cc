// Content is read from the store no faster than the client takes it, over real gRPC.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/spool-store/client/rpc_spool.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/rpc/spool_service.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int64_t kPieceBytes = kInlineContentBytesMax;
constexpr int64_t kPieces = 160;  // 40 MiB

// A store with nothing but one large message. Counts what was read of it, and can hold a piece
// back.
class LargeMessageStore : public Store {
 public:
  // Makes the piece of that number, and those behind it, wait until FailHeld.
  void HoldPiece(int64_t piece) { held_piece_ = piece; }
  void FailHeld() {
    std::vector<Done<std::string>> held;
    {
      absl::MutexLock lock(&mu_);
      held.swap(held_);
    }
    for (auto& done : held) std::move(done)(absl::UnavailableError("held"));
  }

  int64_t bytes_read() {
    absl::MutexLock lock(&mu_);
    return bytes_read_;
  }
  bool WaitForReaders(int count) {
    absl::MutexLock lock(&mu_);
    auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return readers_ == count; };
    return mu_.AwaitWithTimeout(absl::Condition(&reached), kPatience);
  }
  // What was read when nothing has been for a while.
  int64_t WaitForPause() {
    int64_t last = -1;
    absl::Time since;
    while (true) {
      const int64_t now = bytes_read();
      if (now != last) since = absl::Now();
      last = now;
      if (absl::Now() - since > absl::Milliseconds(300)) return last;
      absl::SleepFor(absl::Milliseconds(5));
    }
  }

  std::unique_ptr<ContentReader> ReadContent(absl::string_view) override {
    return std::make_unique<Reader>(*this);
  }

  std::shared_ptr<Upload> OpenUpload() override { return nullptr; }
  void Enqueue(v1::NewMessage, const std::shared_ptr<Upload>&, EnqueueDone done) override {
    std::move(done)(v1::EnqueueResult());
  }
  absl::StatusOr<std::unique_ptr<Consumer>> OpenConsumer(const v1::LeaseOpen&,
                                                         std::shared_ptr<LeaseSink>) override {
    return kNothingElse;
  }
  void Settle(v1::Settlement, SettleDone done) override { std::move(done)(v1::SettleResult()); }
  void ReleaseQueue(v1::ReleaseQueueRequest, Done<v1::ReleaseQueueResponse> done) override {
    std::move(done)(kNothingElse);
  }
  absl::StatusOr<v1::ListQueuesResponse> ListQueues(const v1::ListQueuesRequest&) override {
    return kNothingElse;
  }
  absl::StatusOr<v1::GetQueueResponse> GetQueue(const v1::GetQueueRequest&) override {
    return kNothingElse;
  }
  void ListDeliveries(v1::ListDeliveriesRequest, Done<v1::ListDeliveriesResponse> done) override {
    std::move(done)(kNothingElse);
  }
  void GetDelivery(v1::GetDeliveryRequest, Done<v1::GetDeliveryResponse> done) override {
    std::move(done)(kNothingElse);
  }
  void UpdateDelivery(v1::UpdateDeliveryRequest, Done<v1::UpdateDeliveryResponse> done) override {
    std::move(done)(kNothingElse);
  }

 private:
  class Reader : public ContentReader {
   public:
    explicit Reader(LargeMessageStore& store) : store_(store) {
      absl::MutexLock lock(&store_.mu_);
      ++store_.readers_;
    }
    ~Reader() override {
      absl::MutexLock lock(&store_.mu_);
      --store_.readers_;
    }
    void Next(Done<std::string> done) override {
      if (next_ >= store_.held_piece_) {
        absl::MutexLock lock(&store_.mu_);
        store_.held_.push_back(std::move(done));
        return;
      }
      if (next_++ == kPieces) return std::move(done)(std::string());
      {
        absl::MutexLock lock(&store_.mu_);
        store_.bytes_read_ += kPieceBytes;
      }
      std::move(done)(std::string(kPieceBytes, 'x'));
    }

   private:
    LargeMessageStore& store_;
    int64_t next_ = 0;
  };

  const absl::Status kNothingElse = absl::UnimplementedError("this store only has content");
  std::atomic<int64_t> held_piece_ = kPieces + 1;
  absl::Mutex mu_;
  int64_t bytes_read_ ABSL_GUARDED_BY(mu_) = 0;
  int readers_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<Done<std::string>> held_ ABSL_GUARDED_BY(mu_);
};

class SlowReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = rpc::Server::Start({.listen = "127.0.0.1:0"}, {&service_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    spool_ = RpcSpool::Create(rpc::CreateChannel(server_->address()),
                              {.piece_timeout = absl::Seconds(2)});
  }
  void TearDown() override {
    spool_ = nullptr;
    store_.FailHeld();
    server_->Shutdown(absl::Now() + absl::Seconds(5));
  }

  static std::future<absl::StatusOr<std::string>> Ask(ContentReader& reader) {
    auto result = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
    reader.Next(
        [result](absl::StatusOr<std::string> piece) { result->set_value(std::move(piece)); });
    return result->get_future();
  }

  LargeMessageStore store_;
  SpoolService service_{store_};
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<RpcSpool> spool_;
};

TEST_F(SlowReaderTest, LittleIsReadBeforeItIsAskedFor) {
  // One piece on its way in the server, and what gRPC's windows hold on both sides.
  constexpr int64_t kAheadBytesMax = 3 * kPieceBytes;
  const auto reader = spool_->ReadContent(1, std::string(16, 'a'));
  int64_t ahead_max = store_.WaitForPause();
  for (int64_t piece = 1; piece <= kPieces; ++piece) {
    ASSERT_EQ(Ask(*reader).get()->size(), static_cast<size_t>(kPieceBytes));
    const bool is_fast = piece % 20 != 0;  // gRPC widens its windows for a fast reader
    const int64_t read = is_fast ? store_.bytes_read() : store_.WaitForPause();
    ahead_max = std::max(ahead_max, read - piece * kPieceBytes);
  }
  EXPECT_EQ(*Ask(*reader).get(), "");
  EXPECT_LE(ahead_max, kAheadBytesMax) << ahead_max / kPieceBytes << " pieces";
}

TEST_F(SlowReaderTest, ReaderThatGoesEndsTheReading) {
  auto reader = spool_->ReadContent(1, std::string(16, 'a'));
  ASSERT_TRUE(Ask(*reader).get().ok());
  reader = nullptr;
  EXPECT_TRUE(store_.WaitForReaders(0));
  EXPECT_LT(store_.bytes_read(), kPieces * kPieceBytes);
}

TEST_F(SlowReaderTest, ReaderMayGoInItsCallback) {
  auto reader = spool_->ReadContent(1, std::string(16, 'a'));
  std::promise<void> gone;
  reader->Next([&](const absl::StatusOr<std::string>& piece) {
    EXPECT_TRUE(piece.ok()) << piece.status();
    reader = nullptr;
    gone.set_value();
  });
  gone.get_future().wait();
  EXPECT_TRUE(store_.WaitForReaders(0));
}

TEST_F(SlowReaderTest, LatePieceEndsTheReading) {
  store_.HoldPiece(1);
  const auto reader = spool_->ReadContent(1, std::string(16, 'a'));
  ASSERT_TRUE(Ask(*reader).get().ok());
  EXPECT_EQ(Ask(*reader).get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Ask(*reader).get().status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SlowReaderTest, DrainDoesNotWaitForASlowReader) {
  const auto reader = spool_->ReadContent(1, std::string(16, 'a'));
  ASSERT_TRUE(Ask(*reader).get().ok());
  store_.WaitForPause();
  service_.Drain();
  EXPECT_TRUE(store_.WaitForReaders(0));
  // What has arrived is still given; then the store is away for longer than a piece may take.
  absl::StatusOr<std::string> piece = Ask(*reader).get();
  while (piece.ok()) piece = Ask(*reader).get();
  EXPECT_EQ(piece.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Ask(*reader).get().status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SlowReaderTest, EndOfTheClientEndsTheReading) {
  store_.HoldPiece(1);
  const auto reader = spool_->ReadContent(1, std::string(16, 'a'));
  ASSERT_TRUE(Ask(*reader).get().ok());
  auto waiting = Ask(*reader);
  spool_ = nullptr;
  EXPECT_EQ(waiting.get().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(SlowReaderTest, ReaderThatHasNothingAskedIsNotLate) {
  const auto reader = spool_->ReadContent(1, std::string(16, 'a'));
  ASSERT_TRUE(Ask(*reader).get().ok());
  absl::SleepFor(absl::Milliseconds(2500));
  EXPECT_TRUE(Ask(*reader).get().ok());
}

TEST_F(SlowReaderTest, MoreReadersThanOneAreSlowOnTheirOwn) {
  const auto paused = spool_->ReadContent(1, std::string(16, 'a'));
  store_.WaitForPause();
  const auto reader = spool_->ReadContent(1, std::string(16, 'b'));
  for (int64_t piece = 0; piece < kPieces; ++piece) ASSERT_TRUE(Ask(*reader).get().ok());
  EXPECT_EQ(*Ask(*reader).get(), "");
  EXPECT_TRUE(Ask(*paused).get().ok());
}

}  // namespace
}  // namespace turnpike::spool
