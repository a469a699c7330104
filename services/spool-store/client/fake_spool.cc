// The calls of a FakeSpool.
#include "services/spool-store/client/fake_spool.h"

#include <utility>

#include "absl/synchronization/mutex.h"
#include "services/spool-store/client/fake_spool_state.h"

namespace turnpike::spool {

class FakeSpool::Stream : public LeaseStream {
 public:
  Stream(std::shared_ptr<State> state, std::shared_ptr<State::Consumer> consumer)
      : state_(std::move(state)), consumer_(std::move(consumer)) {}
  ~Stream() override {
    state_->Do([this](State& state) { state.EndStream(consumer_, absl::CancelledError("ended")); });
  }

  void AddCredit(int32_t deliveries) override {
    state_->Do([&](State&) {
      consumer_->credit += deliveries;
      consumer_->credit_is_new = true;
    });
  }
  void Renew(const v1::LeaseToken& token) override {
    state_->Do([&](State& state) {
      State::Item* item = state.Leased(token);
      if (item == nullptr || item->holder != consumer_) return;
      const int64_t seconds = consumer_->open.lease_duration().seconds();
      item->lease_end = state.Now() + (seconds > 0 ? absl::Seconds(seconds) : absl::Minutes(5));
    });
  }
  void HandBack(const v1::LeaseToken& token) override {
    state_->Do([&](State& state) {
      State::Item* item = state.Leased(token);
      if (item != nullptr && item->holder == consumer_) item->holder = nullptr;
    });
  }
  void Pause(const v1::QueueName& queue) override {
    state_->Do([&](State&) { consumer_->paused.insert(State::QueueKey(queue)); });
  }
  void Resume(const v1::QueueName& queue) override {
    state_->Do([&](State&) { consumer_->paused.erase(State::QueueKey(queue)); });
  }

 private:
  const std::shared_ptr<State> state_;
  const std::shared_ptr<State::Consumer> consumer_;
};

class FakeSpool::Reader : public ContentReader {
 public:
  Reader(std::shared_ptr<State> state, std::string id)
      : state_(std::move(state)), id_(std::move(id)) {}

  void Next(NextCallback done) override {
    state_->Do([&](State& state) {
      absl::StatusOr<std::string> piece = NextPiece(state);
      state.tasks.push_back([done = std::move(done), piece = std::move(piece)]() mutable {
        std::move(done)(std::move(piece));
      });
    });
  }

 private:
  absl::StatusOr<std::string> NextPiece(State& state) {
    if (!state.read_status.ok()) return state.read_status;
    auto found = state.contents.find(id_);
    if (found == state.contents.end()) return absl::NotFoundError("no such message");
    std::string piece = found->second.substr(offset_, kInlineContentBytesMax);
    offset_ += piece.size();
    state.content_bytes_read += static_cast<int64_t>(piece.size());
    return piece;
  }

  const std::shared_ptr<State> state_;
  const std::string id_;
  size_t offset_ = 0;
};

FakeSpool::FakeSpool(const base::Clock& clock, uint32_t shard)
    : state_(std::make_shared<State>(clock, shard)) {}

FakeSpool::~FakeSpool() {
  ReleaseAnswers();
  BreakStreams(absl::CancelledError("spool destroyed"));
  state_->AwaitTasks();  // another thread may be at them
}

void FakeSpool::Poll() {
  state_->Do([](State& state) { state.EndExpiredLeases(); });
}

absl::StatusOr<v1::UpdateDeliveryResponse> FakeSpool::UpdateDelivery(
    const v1::UpdateDeliveryRequest& request) {
  absl::StatusOr<v1::UpdateDeliveryResponse> response = v1::UpdateDeliveryResponse();
  state_->Do([&](State& state) { response = state.Update(request); });
  return response;
}

void FakeSpool::SetEnqueueStatus(absl::Status status) {
  state_->Do([&](State& state) { state.enqueue_status = std::move(status); });
}

void FakeSpool::SetSettleResult(std::optional<absl::StatusOr<v1::SettleOutcome>> result) {
  state_->Do([&](State& state) { state.settle_result = std::move(result); });
}

void FakeSpool::SetQueueStatus(absl::Status status) {
  state_->Do([&](State& state) { state.queue_status = std::move(status); });
}

void FakeSpool::SetReadStatus(absl::Status status) {
  state_->Do([&](State& state) { state.read_status = std::move(status); });
}

void FakeSpool::SetLeaseStatus(absl::Status status) {
  state_->Do([&](State& state) { state.lease_status = std::move(status); });
}

void FakeSpool::HoldAnswers() {
  state_->Do([](State& state) { state.hold_answers = true; });
}

void FakeSpool::ReleaseAnswers() {
  state_->Do([](State& state) {
    state.hold_answers = false;
    for (State::Task& answer : state.held_answers) state.tasks.push_back(std::move(answer));
    state.held_answers.clear();
  });
}

void FakeSpool::BreakStreams(const absl::Status& status) {
  state_->Do([&](State& state) {
    const std::vector<std::shared_ptr<State::Consumer>> consumers = state.consumers;
    for (const auto& consumer : consumers) state.EndStream(consumer, status);
  });
}

std::vector<v1::NewMessage> FakeSpool::messages() const {
  absl::MutexLock lock(&state_->mu());
  return state_->messages;
}

std::vector<v1::Delivery> FakeSpool::deliveries() const {
  absl::MutexLock lock(&state_->mu());
  std::vector<v1::Delivery> deliveries;
  for (const auto& [id, item] : state_->items) {
    deliveries.push_back(item.delivery);
    if (item.holder == nullptr) continue;
    deliveries.back().set_state(v1::DELIVERY_STATE_LEASED);
    deliveries.back().set_worker(item.holder->open.worker());
  }
  return deliveries;
}

std::vector<v1::Settlement> FakeSpool::settlements() const {
  absl::MutexLock lock(&state_->mu());
  return state_->settlements;
}

std::vector<v1::ReleaseQueueRequest> FakeSpool::releases() const {
  absl::MutexLock lock(&state_->mu());
  return state_->releases;
}

int64_t FakeSpool::content_bytes_read() const {
  absl::MutexLock lock(&state_->mu());
  return state_->content_bytes_read;
}

std::vector<v1::LeaseOpen> FakeSpool::lease_streams() const {
  absl::MutexLock lock(&state_->mu());
  std::vector<v1::LeaseOpen> streams;
  for (const auto& consumer : state_->consumers) streams.push_back(consumer->open);
  return streams;
}

void FakeSpool::Enqueue(v1::NewMessage message, absl::Time, EnqueueCallback done) {
  state_->Do([&](State& state) {
    absl::Status status = state.enqueue_status.ok() ? state.Store(message) : state.enqueue_status;
    state.Answer([done = std::move(done), status]() mutable { std::move(done)(status); });
  });
}

void FakeSpool::AppendContent(absl::string_view message_id, int64_t offset, std::string data,
                              EnqueueCallback done) {
  state_->Do([&](State& state) {
    absl::Status status = state.enqueue_status;
    if (status.ok()) {
      std::string& content = state.chunks[std::string(message_id)];
      if (data.size() > kInlineContentBytesMax) {
        status = absl::InvalidArgumentError("chunk too large");
      } else if (offset != static_cast<int64_t>(content.size())) {
        status = absl::AbortedError("chunks were lost");
      } else {
        content += data;
      }
    }
    state.Answer([done = std::move(done), status]() mutable { std::move(done)(status); });
  });
}

void FakeSpool::AbortContent(absl::string_view message_id) {
  state_->Do([&](State& state) { state.chunks.erase(std::string(message_id)); });
}

std::unique_ptr<LeaseStream> FakeSpool::OpenLease(v1::LeaseOpen open,
                                                  std::shared_ptr<LeaseStream::Handler> handler) {
  auto consumer = std::make_shared<State::Consumer>();
  consumer->open = std::move(open);
  consumer->handler = std::move(handler);
  for (const v1::QueueName& queue : consumer->open.due().paused()) {
    consumer->paused.insert(State::QueueKey(queue));
  }
  state_->Do([&](State& state) {
    state.consumers.push_back(consumer);
    if (!state.lease_status.ok()) state.EndStream(consumer, state.lease_status);
  });
  return std::make_unique<Stream>(state_, std::move(consumer));
}

void FakeSpool::Settle(v1::Settlement settlement, absl::Time, SettleCallback done) {
  state_->Do([&](State& state) {
    state.settlements.push_back(settlement);
    absl::StatusOr<v1::SettleOutcome> result =
        state.settle_result.has_value()
            ? *state.settle_result
            : absl::StatusOr<v1::SettleOutcome>(state.Settle(settlement));
    state.Answer([done = std::move(done), result = std::move(result)]() mutable {
      std::move(done)(std::move(result));
    });
  });
}

std::unique_ptr<ContentReader> FakeSpool::ReadContent(uint64_t /*delivery_id*/,
                                                      absl::string_view message_id) {
  return std::make_unique<Reader>(state_, std::string(message_id));
}

void FakeSpool::ReleaseQueue(
    v1::ReleaseQueueRequest request, absl::Time,
    absl::AnyInvocable<void(absl::StatusOr<v1::ReleaseQueueResponse>)> done) {
  state_->Do([&](State& state) {
    absl::StatusOr<v1::ReleaseQueueResponse> response = v1::ReleaseQueueResponse();
    if (state.queue_status.ok()) {
      state.releases.push_back(request);
      response = state.Release(request);
    } else {
      response = state.queue_status;
    }
    state.tasks.push_back([done = std::move(done), response = std::move(response)]() mutable {
      std::move(done)(std::move(response));
    });
  });
}

void FakeSpool::GetQueue(v1::GetQueueRequest request, absl::Time,
                         absl::AnyInvocable<void(absl::StatusOr<v1::GetQueueResponse>)> done) {
  state_->Do([&](State& state) {
    absl::StatusOr<v1::GetQueueResponse> response = v1::GetQueueResponse();
    if (state.queue_status.ok()) {
      *response->mutable_stats() = state.Stats(request.queue());
    } else {
      response = state.queue_status;
    }
    state.tasks.push_back([done = std::move(done), response = std::move(response)]() mutable {
      std::move(done)(std::move(response));
    });
  });
}

}  // namespace turnpike::spool
