#include "services/spool-store/storage/browse.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "rocksdb/iterator.h"
#include "services/common/base/status_macros.h"
#include "services/spool-store/core/delivery_filter.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/core/validate.h"
#include "services/spool-store/storage/delivery_reader.h"
#include "services/spool-store/storage/index_scan.h"

namespace turnpike::spool {
namespace {

constexpr int kPageSizeDefault = 100;
constexpr int kPageSizeMax = 1000;
constexpr int kLooksMax = 20'000;  // deliveries that a page looks at

// Sets the state and the worker, which are known in memory only.
void SetState(Engine& engine, const LeaseDesk& desk, const records::DeliveryRecord& record,
              v1::Delivery& delivery) {
  absl::MutexLock lock(&engine.mu);
  const uint64_t id = delivery.delivery_id();
  const Lease* lease = engine.schedule.leases().Find(id);
  if (lease != nullptr) {
    delivery.set_state(v1::DELIVERY_STATE_LEASED);
    delivery.set_worker(desk.WorkerOf(lease->holder));
    return;
  }
  const Queue* queue = engine.schedule.Find(QueueKey(record.queue()));
  if (queue != nullptr) delivery.set_state(queue->StateAt(PositionOf(id, record)));
}

std::optional<v1::Delivery> ReadWhole(Engine& engine, const LeaseDesk& desk, uint64_t id,
                                      const records::DeliveryRecord& record) {
  const auto message = ReadMessage(engine.database, record.message_id());
  if (absl::IsNotFound(message.status())) return std::nullopt;  // done meanwhile
  v1::Delivery delivery =
      ToDelivery(id, record, message.ok() ? *message : records::MessageRecord());
  SetState(engine, desk, record, delivery);
  return delivery;
}

// A page in the making.
class Page {
 public:
  Page(Engine& engine, const LeaseDesk& desk, const v1::ListDeliveriesRequest& request)
      : engine_(engine),
        desk_(desk),
        filter_(request),
        state_(request.state()),
        size_(request.page_size() == 0 ? kPageSizeDefault : request.page_size()) {}

  bool is_full() const { return response_.deliveries_size() >= size_ || looks_ >= kLooksMax; }
  void Look(uint64_t id, const records::DeliveryRecord& record) {
    ++looks_;
    if (!filter_.MatchesRecord(record)) return;
    std::optional<v1::Delivery> delivery = ReadWhole(engine_, desk_, id, record);
    if (!delivery.has_value() || !filter_.MatchesEnvelope(delivery->envelope())) return;
    if (state_ != v1::DELIVERY_STATE_UNSPECIFIED && delivery->state() != state_) return;
    delivery->clear_last_outcomes();
    response_.add_deliveries()->Swap(&*delivery);
  }
  v1::ListDeliveriesResponse Take(absl::string_view next_token) {
    response_.set_next_page_token(absl::WebSafeBase64Escape(next_token));
    return std::move(response_);
  }

 private:
  Engine& engine_;
  const LeaseDesk& desk_;
  const DeliveryFilter filter_;
  const v1::DeliveryState state_;
  const int size_;
  int looks_ = 0;
  v1::ListDeliveriesResponse response_;
};

// In the order of ids. The token is the last id's key.
absl::StatusOr<v1::ListDeliveriesResponse> ListAll(Engine& engine, Page page,
                                                   const std::string& token) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const auto it = std::unique_ptr<rocksdb::Iterator>(
      engine.database.db().NewIterator(options, engine.database.delivery()));
  if (token.empty()) {
    it->SeekToFirst();
  } else {
    it->Seek(token + '\0');
  }
  std::string last;
  for (; it->Valid(); it->Next()) {
    if (page.is_full()) return page.Take(last);
    last = it->key().ToString();
    records::DeliveryRecord record;
    uint64_t id = 0;
    if (!ParseDeliveryKey(last, id) ||
        !record.ParseFromArray(it->value().data(), static_cast<int>(it->value().size()))) {
      continue;
    }
    page.Look(id, record);
  }
  TURNPIKE_RETURN_IF_ERROR(FromRocks(it->status()));
  return page.Take("");
}

// Section by section. The token is the last entry's key in the index.
absl::StatusOr<v1::ListDeliveriesResponse> ListQueue(Engine& engine, Page page,
                                                     const std::string& queue_key,
                                                     const std::string& token) {
  constexpr std::array<Section, 4> kOrder = {Section::kHeld, Section::kReady, Section::kDeferred,
                                             Section::kParked};
  std::optional<Position> after;
  size_t section = 0;
  if (!token.empty()) {
    absl::string_view token_queue;
    Position position;
    if (!ParseIndexKey(token, token_queue, position) || token_queue != queue_key) {
      return absl::InvalidArgumentError("page_token is of another request");
    }
    after = position;
    while (section < kOrder.size() && kOrder[section] != position.section) ++section;
  }
  std::string last = token;
  while (section < kOrder.size()) {
    TURNPIKE_ASSIGN_OR_RETURN(
        const ScanResult scanned,
        ScanSection(engine.database, queue_key, kOrder[section], after, kPageSizeMax));
    for (const auto& [position, facts] : scanned.entries) {
      if (page.is_full()) return page.Take(last);
      after = position;
      last = IndexKey(queue_key, position);
      const auto record = ReadDelivery(engine.database, position.delivery_id);
      if (record.ok()) page.Look(position.delivery_id, **record);
    }
    if (scanned.reached_end) {
      ++section;
      after = std::nullopt;
    }
  }
  return page.Take("");
}

}  // namespace

absl::StatusOr<v1::ListDeliveriesResponse> ListDeliveries(
    Engine& engine, const LeaseDesk& desk, const v1::ListDeliveriesRequest& request) {
  if (request.page_size() < 0 || request.page_size() > kPageSizeMax) {
    return absl::InvalidArgumentError("page_size must be 1 to 1000");
  }
  std::string token;
  if (!absl::WebSafeBase64Unescape(request.page_token(), &token)) {
    return absl::InvalidArgumentError("page_token is none of ours");
  }
  Page page(engine, desk, request);
  if (!request.has_queue()) return ListAll(engine, std::move(page), token);
  TURNPIKE_RETURN_IF_ERROR(CheckQueueName(request.queue()));
  return ListQueue(engine, std::move(page), QueueKey(request.queue()), token);
}

absl::StatusOr<v1::GetDeliveryResponse> GetDelivery(Engine& engine, const LeaseDesk& desk,
                                                    const v1::GetDeliveryRequest& request) {
  TURNPIKE_ASSIGN_OR_RETURN(const auto record,
                            ReadDelivery(engine.database, request.delivery_id()));
  std::optional<v1::Delivery> delivery = ReadWhole(engine, desk, request.delivery_id(), *record);
  if (!delivery.has_value()) return absl::NotFoundError("no such delivery");
  v1::GetDeliveryResponse response;
  response.mutable_delivery()->Swap(&*delivery);
  return response;
}

}  // namespace turnpike::spool
