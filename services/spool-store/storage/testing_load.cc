#include "services/spool-store/storage/testing_load.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/check.h"
#include "services/common/base/message_id.h"
#include "services/common/base/random.h"

namespace turnpike::spool {
namespace {

constexpr int kInFlight = 64;
constexpr int kLeased = 100;
constexpr size_t kPieceBytes = 10'000;

// Each message's content follows from its id, so that whoever finds it knows it.
std::string ContentOf(const std::string& id) {
  const size_t times = 1 + static_cast<uint8_t>(id[15]) * 4;
  std::string content = "Message-ID: ";
  for (size_t i = 0; i < times; ++i) absl::StrAppend(&content, absl::BytesToHexString(id), "\r\n");
  return content;
}

std::shared_ptr<Store::Upload> SendPieces(Store& store, const std::string& id,
                                          const std::string& content) {
  std::shared_ptr<Store::Upload> upload = store.OpenUpload();
  for (size_t at = 0; at < content.size(); at += kPieceBytes) {
    v1::ContentChunk chunk;
    chunk.set_message_id(id);
    chunk.set_offset(static_cast<int64_t>(at));
    chunk.set_data(content.substr(at, kPieceBytes));
    upload->Append(std::move(chunk), [] {});
  }
  return upload;
}

void ExpectContent(Store& store, const std::string& id) {
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

void ExpectFigures(Store& store, int64_t deliveries) {
  v1::ListQueuesRequest request;
  request.set_page_size(1000);
  const auto response = store.ListQueues(request);
  ASSERT_TRUE(response.ok());
  int64_t counted = 0;
  for (const v1::QueueStats& stats : response->queues()) {
    counted += stats.held() + stats.ready() + stats.deferred() + stats.leased();
  }
  EXPECT_EQ(counted, deliveries);
}

}  // namespace

void LoadRecord::Note(char what, const std::string& name) {
  if (what == 'E') stored.insert(name);
  if (what == 'S') tried.insert(name);
  if (what == 'D') delivered.insert(name);
}

class Load::Sink : public Store::LeaseSink {
 public:
  explicit Sink(Load& load) : load_(load) {}

  void OnLeased(v1::LeaseResponse response) override {
    for (const v1::LeasedDelivery& leased : response.deliveries()) Settle(leased);
  }
  bool HasRoom() override { return true; }

  std::atomic<int> settled = 0;

 private:
  void Settle(const v1::LeasedDelivery& leased) {
    if (!load_.gate_.TryEnter()) return;
    v1::Settlement settlement;
    *settlement.mutable_token() = leased.token();
    v1::RecipientOutcome& outcome = *settlement.add_outcomes();
    outcome.set_index(leased.recipient_indexes(0));
    const std::string name = leased.message_id() + leased.queue().name();
    const bool is_delivered = base::RandomUint64() % 3 != 0;
    if (is_delivered) {
      outcome.set_disposition(v1::DISPOSITION_DELIVERED);
      load_.report_('S', name);
    } else {
      outcome.set_disposition(v1::DISPOSITION_DELAYED);
      settlement.mutable_defer_until()->set_seconds(absl::ToUnixSeconds(absl::Now()) +
                                                    base::RandomUint64() % 3);
    }
    load_.store_.Settle(std::move(settlement),
                        [this, name, is_delivered](const v1::SettleResult& result) {
                          TURNPIKE_CHECK(result.outcome() == v1::SETTLE_OUTCOME_SETTLED);
                          if (is_delivered) load_.report_('D', name);
                          ++settled;
                          load_.gate_.Leave();
                        });
  }

  Load& load_;
};

Load::Load(Store& store, Report report)
    : store_(store), report_(std::move(report)), sink_(std::make_shared<Sink>(*this)) {
  for (int i = 0; i < kInFlight; ++i) EnqueueNext();
  v1::LeaseOpen open;
  open.mutable_due();
  consumer_ = *store.OpenConsumer(open, sink_);
}

Load::~Load() { Stop(); }

void Load::Stop() {
  gate_.Close();
  gate_.WaitUntil(absl::InfiniteFuture());
  consumer_ = nullptr;
}

void Load::EnqueueNext() {
  if (!gate_.TryEnter()) return;
  v1::NewMessage message;
  const std::string id(base::MessageId::Generate(absl::Now()).bytes());
  message.set_message_id(id);
  message.mutable_envelope()->set_return_path("sender@example.com");
  const std::string content = ContentOf(id);
  message.set_content_bytes(static_cast<int64_t>(content.size()));
  std::shared_ptr<Store::Upload> upload;
  if (base::RandomUint64() % 8 == 0) {
    upload = SendPieces(store_, id, content);
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
                   TURNPIKE_CHECK(result.outcome() == v1::ENQUEUE_OUTCOME_STORED, result.detail());
                   for (const std::string& name : names) report_('E', name);
                   EnqueueNext();
                   gate_.Leave();
                 });
}

void Load::Turn() {
  v1::LeaseRequest request;
  request.set_credit(kLeased - (given_ - sink_->settled));
  given_ += request.credit();
  consumer_->Handle(request);
  for (int i = 0; i < 3; ++i) {
    v1::ReleaseQueueRequest release;
    release.mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
    release.mutable_queue()->set_name(absl::StrCat("q", base::RandomUint64() % 20, ".example"));
    store_.ReleaseQueue(release, [](const absl::StatusOr<v1::ReleaseQueueResponse>&) {});
  }
}

void ExpectComplete(Store& store, const LoadRecord& record) {
  std::map<std::string, int> present;
  std::set<std::string> messages;
  v1::ListDeliveriesRequest request;
  request.set_page_size(1000);
  do {
    std::promise<v1::ListDeliveriesResponse> page;
    store.ListDeliveries(request, [&](auto response) { page.set_value(*std::move(response)); });
    const v1::ListDeliveriesResponse response = page.get_future().get();
    for (const v1::Delivery& delivery : response.deliveries()) {
      ++present[delivery.message_id() + delivery.queue().name()];
      messages.insert(delivery.message_id());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());

  for (const std::string& name : record.stored) {
    EXPECT_TRUE(present.contains(name) || record.tried.contains(name))
        << "lost " << absl::BytesToHexString(name);
  }
  for (const auto& [name, count] : present) {
    EXPECT_EQ(count, 1) << absl::BytesToHexString(name);
    EXPECT_FALSE(record.delivered.contains(name)) << "came back: " << absl::BytesToHexString(name);
  }
  for (const std::string& id : messages) ExpectContent(store, id);
  ExpectFigures(store, static_cast<int64_t>(present.size()));
}

}  // namespace turnpike::spool
