// Kills a store at full speed with SIGKILL, over and over, and looks for what it had acknowledged
// (PL-20). TURNPIKE_CRASH_ROUNDS sets the number of kills (default 20).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "prometheus/registry.h"
#include "services/common/base/clock.h"
#include "services/common/base/message_id.h"
#include "services/common/base/random.h"
#include "services/spool-store/storage/rocks_store.h"
#include "services/spool-store/storage/testing.h"

namespace turnpike::spool {
namespace {

constexpr int kInFlight = 64;
constexpr char kChildDirectory[] = "TURNPIKE_CRASH_DIRECTORY";

// Each message's content follows from its id, so that both processes know it.
std::string ContentOf(const std::string& id) {
  const size_t times = 1 + static_cast<uint8_t>(id[15]) * 4;
  std::string content = "Message-ID: ";
  for (size_t i = 0; i < times; ++i) absl::StrAppend(&content, absl::BytesToHexString(id), "\r\n");
  return content;
}

// ------------------------------------------------------------------------------------- the child
// Lines on standard output: `E name` stored, `S name` about to be settled as delivered, `D name`
// settled. A delivery's name is its message's id and its queue.

void Report(char what, const std::string& name) {
  const std::string line =
      absl::StrCat(std::string(1, what), " ", absl::BytesToHexString(name), "\n");
  // Short enough to be one piece in the pipe.
  if (write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(3);
}

class Producer {
 public:
  explicit Producer(Store& store) : store_(store) {}

  void Next() {
    v1::NewMessage message;
    const std::string id(base::MessageId::Generate(absl::Now()).bytes());
    message.set_message_id(id);
    message.mutable_envelope()->set_return_path("sender@example.com");
    const std::string content = ContentOf(id);
    message.set_content_bytes(static_cast<int64_t>(content.size()));
    std::shared_ptr<Store::Upload> upload;
    if (base::RandomUint64() % 8 == 0) {  // in pieces
      upload = store_.OpenUpload();
      for (size_t at = 0; at < content.size(); at += 10'000) {
        v1::ContentChunk chunk;
        chunk.set_message_id(id);
        chunk.set_offset(static_cast<int64_t>(at));
        chunk.set_data(content.substr(at, 10'000));
        upload->Append(std::move(chunk), [] {});
      }
    } else {
      message.set_inline_content(content);
    }
    const bool hold = base::RandomUint64() % 4 == 0;
    const int deliveries = base::RandomUint64() % 4 == 0 ? 2 : 1;
    std::vector<std::string> names;
    for (int i = 0; i < deliveries; ++i) {
      v1::NewDelivery& delivery = *message.add_deliveries();
      delivery.mutable_queue()->set_kind(hold ? v1::QUEUE_KIND_GATEWAY : v1::QUEUE_KIND_REMOTE);
      delivery.mutable_queue()->set_name(
          absl::StrCat("q", base::RandomUint64() % 20, i == 0 ? ".example" : ".other.example"));
      delivery.set_hold(hold);
      delivery.add_recipients()->set_address("a@example.org");
      names.push_back(id + delivery.queue().name());
    }
    store_.Enqueue(std::move(message), upload,
                   [this, names = std::move(names), upload](const v1::EnqueueResult& result) {
                     if (result.outcome() != v1::ENQUEUE_OUTCOME_STORED) _exit(4);
                     for (const std::string& name : names) Report('E', name);
                     Next();
                   });
  }

 private:
  Store& store_;
};

class Consumer : public Store::LeaseSink {
 public:
  explicit Consumer(Store& store) : store_(store) {}

  void OnLeased(v1::LeaseResponse response) override {
    for (const v1::LeasedDelivery& leased : response.deliveries()) Settle(leased);
  }
  bool HasRoom() override { return true; }

  std::atomic<int> settled = 0;

 private:
  void Settle(const v1::LeasedDelivery& leased) {
    v1::Settlement settlement;
    *settlement.mutable_token() = leased.token();
    v1::RecipientOutcome& outcome = *settlement.add_outcomes();
    outcome.set_index(leased.recipient_indexes(0));
    const std::string what = leased.message_id() + leased.queue().name();
    const bool delivered = base::RandomUint64() % 3 != 0;
    if (delivered) {
      outcome.set_disposition(v1::DISPOSITION_DELIVERED);
      Report('S', what);
    } else {
      outcome.set_disposition(v1::DISPOSITION_DELAYED);
      settlement.mutable_defer_until()->set_seconds(absl::ToUnixSeconds(absl::Now()) +
                                                    base::RandomUint64() % 3);
    }
    store_.Settle(std::move(settlement), [this, what, delivered](const v1::SettleResult& result) {
      if (result.outcome() != v1::SETTLE_OUTCOME_SETTLED) _exit(5);
      if (delivered) Report('D', what);
      ++settled;
    });
  }

  Store& store_;
};

int RunChild(const std::string& directory) {
  Metrics metrics(std::make_shared<prometheus::Registry>());
  auto store = RocksStore::Open({.directory = directory, .free_bytes_min = 0},
                                base::Clock::System(), metrics);
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
    return 2;
  }
  Producer producer(**store);
  for (int i = 0; i < kInFlight; ++i) producer.Next();
  auto sink = std::make_shared<Consumer>(**store);
  v1::LeaseOpen open;
  open.mutable_due();
  auto consumer = (*store)->OpenConsumer(open, sink);
  int given = 0;
  while (true) {  // until it is killed
    v1::LeaseRequest request;
    request.set_credit(100 - (given - sink->settled));
    given += request.credit();
    (*consumer)->Handle(request);
    for (int i = 0; i < 3; ++i) {
      v1::ReleaseQueueRequest release;
      release.mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
      release.mutable_queue()->set_name(absl::StrCat("q", base::RandomUint64() % 20, ".example"));
      (*store)->ReleaseQueue(release, [](const absl::StatusOr<v1::ReleaseQueueResponse>&) {});
    }
    absl::SleepFor(absl::Milliseconds(2));
  }
}

// ------------------------------------------------------------------------------------ the parent

class CrashTest : public testing::Test {
 protected:
  // Runs a child until it is killed, and notes what it has said.
  void RunAndKill() {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const std::string directory = absl::StrCat(kChildDirectory, "=", directory_.path(), "/spool");
    const pid_t child = fork();
    if (child == 0) {
      dup2(pipe_ends[1], STDOUT_FILENO);
      close(pipe_ends[0]);
      close(pipe_ends[1]);
      char* const arguments[] = {const_cast<char*>("crash_test"), nullptr};
      char* const environment[] = {const_cast<char*>(directory.c_str()), nullptr};
      execve("/proc/self/exe", arguments, environment);
      _exit(6);
    }
    ASSERT_GT(child, 0);
    close(pipe_ends[1]);
    std::string said;
    char buffer[1 << 16];
    std::atomic<bool> started = false;
    std::thread killer([&] {
      while (!started) absl::SleepFor(absl::Milliseconds(1));
      absl::SleepFor(absl::Milliseconds(5 + base::RandomUint64() % 300));
      kill(child, SIGKILL);
    });
    ssize_t count;
    while ((count = read(pipe_ends[0], buffer, sizeof(buffer))) > 0) {
      said.append(buffer, static_cast<size_t>(count));
      started = true;
    }
    started = true;
    killer.join();
    close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child has ended by itself: " << WEXITSTATUS(status);
    Note(said);
  }

  void Note(const std::string& said) {
    std::istringstream lines(said);
    std::string what, hex;
    while (lines >> what >> hex) {
      const std::string name = absl::HexStringToBytes(hex);
      if (what == "E") stored_.insert(name);
      if (what == "S") tried_.insert(name);
      if (what == "D") delivered_.insert(name);
    }
  }

  // Everything that is acknowledged is there once, with its content; nothing delivered came back.
  void Verify() {
    Metrics metrics(std::make_shared<prometheus::Registry>());
    auto store = RocksStore::Open({.directory = directory_.path() + "/spool", .free_bytes_min = 0},
                                  base::Clock::System(), metrics);
    ASSERT_TRUE(store.ok()) << store.status();
    std::map<std::string, int> present;  // message id and queue
    std::set<std::string> messages;
    v1::ListDeliveriesRequest request;
    request.set_page_size(1000);
    do {
      std::promise<v1::ListDeliveriesResponse> page;
      (*store)->ListDeliveries(request, [&](auto response) { page.set_value(*std::move(response)); });
      const v1::ListDeliveriesResponse response = page.get_future().get();
      for (const v1::Delivery& delivery : response.deliveries()) {
        ++present[delivery.message_id() + delivery.queue().name()];
        messages.insert(delivery.message_id());
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());

    for (const std::string& name : stored_) {
      EXPECT_TRUE(present.contains(name) || tried_.contains(name))
          << "lost " << absl::BytesToHexString(name);
    }
    for (const auto& [name, count] : present) {
      EXPECT_EQ(count, 1) << absl::BytesToHexString(name);
      EXPECT_FALSE(delivered_.contains(name)) << "came back: " << absl::BytesToHexString(name);
    }
    for (const std::string& id : messages) ExpectContent(**store, id);
    ExpectFigures(**store, static_cast<int64_t>(present.size()));
  }

  static void ExpectContent(Store& store, const std::string& id) {
    auto reader = store.ReadContent(id);
    std::string content;
    while (true) {
      std::promise<absl::StatusOr<std::string>> next;
      reader->Next([&](auto piece) { next.set_value(std::move(piece)); });
      const auto piece = next.get_future().get();
      ASSERT_TRUE(piece.ok()) << piece.status();
      if (piece->empty()) break;
      content += *piece;
    }
    EXPECT_EQ(content, ContentOf(id));
  }

  static void ExpectFigures(Store& store, int64_t count) {
    v1::ListQueuesRequest request;
    request.set_page_size(1000);
    int64_t counted = 0;
    const auto response = store.ListQueues(request);
    ASSERT_TRUE(response.ok());
    for (const v1::QueueStats& stats : response->queues()) {
      counted += stats.held() + stats.ready() + stats.deferred() + stats.leased();
    }
    EXPECT_EQ(counted, count);
  }

  TemporaryDirectory directory_;
  std::set<std::string> stored_, tried_, delivered_;
};

TEST_F(CrashTest, NothingAcknowledgedIsLostOrDeliveredAgain) {
  const char* rounds_text = std::getenv("TURNPIKE_CRASH_ROUNDS");
  const int rounds = rounds_text == nullptr ? 20 : std::atoi(rounds_text);
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    RunAndKill();
    if (HasFailure()) break;
    Verify();
  }
  EXPECT_GT(stored_.size(), 1000u);
  EXPECT_GT(delivered_.size(), 100u);
  std::printf("%d kills, %zu deliveries acknowledged, %zu deliveries settled\n", rounds,
              stored_.size(), delivered_.size());
}

}  // namespace
}  // namespace turnpike::spool

int main(int argc, char** argv) {
  if (const char* directory = std::getenv(turnpike::spool::kChildDirectory)) {
    return turnpike::spool::RunChild(directory);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
