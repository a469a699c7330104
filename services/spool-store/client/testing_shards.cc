#include "services/spool-store/client/testing_shards.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace turnpike::spool {

TestShards::TestShards(size_t count, const base::Clock& clock) {
  for (size_t i = 0; i < count; ++i) {
    auto store = std::make_unique<FakeSpool>(clock, static_cast<uint32_t>(i));
    FakeSpool* const raw = store.get();
    auto up = std::make_shared<std::atomic<bool>>(true);
    stores_.push_back(raw);
    up_.push_back(up);
    shards_.push_back({.spool = std::move(store),
                       .enqueue =
                           [raw](std::shared_ptr<const v1::NewMessage> message, absl::Time deadline,
                                 Spool::EnqueueCallback done) {
                             raw->Enqueue(*message, deadline, std::move(done));
                           },
                       .is_up = [up] { return up->load(); }});
  }
}

void LeaseRecorder::OnLeased(v1::LeaseResponse response) {
  absl::MutexLock lock(&mu_);
  for (const v1::LeasedDelivery& delivery : response.deliveries()) leased_.push_back(delivery);
  if (response.drained()) ++drained_;
}

void LeaseRecorder::OnShardLost(uint32_t shard, const absl::Status&) {
  absl::MutexLock lock(&mu_);
  lost_.push_back(shard);
}

void LeaseRecorder::OnClosed(absl::Status status) {
  absl::MutexLock lock(&mu_);
  closed_.push_back(std::move(status));
}

std::vector<v1::LeasedDelivery> LeaseRecorder::leased() const {
  absl::MutexLock lock(&mu_);
  return leased_;
}

std::vector<uint32_t> LeaseRecorder::lost() const {
  absl::MutexLock lock(&mu_);
  return lost_;
}

std::vector<absl::Status> LeaseRecorder::closed() const {
  absl::MutexLock lock(&mu_);
  return closed_;
}

int LeaseRecorder::drained() const {
  absl::MutexLock lock(&mu_);
  return drained_;
}

v1::NewMessage TestMessage(uint64_t id, v1::QueueKind kind, const std::string& queue, bool hold) {
  v1::NewMessage message;
  std::string message_id(16, 'm');
  std::memcpy(message_id.data(), &id, sizeof(id));
  message.set_message_id(message_id);
  message.set_inline_content(absl::StrCat("Subject: ", id, "\r\n\r\nbody\r\n"));
  message.set_content_bytes(static_cast<int64_t>(message.inline_content().size()));
  v1::NewDelivery& delivery = *message.add_deliveries();
  delivery.mutable_queue()->set_kind(kind);
  delivery.mutable_queue()->set_name(queue);
  delivery.set_hold(hold);
  delivery.add_recipients()->set_address(absl::StrCat("ann@", queue));
  return message;
}

bool StoreIn(FakeSpool& store, const v1::NewMessage& message) {
  bool is_stored = false;
  store.Enqueue(message, absl::InfiniteFuture(),
                [&](const absl::Status& status) { is_stored = status.ok(); });
  return is_stored;
}

}  // namespace turnpike::spool
