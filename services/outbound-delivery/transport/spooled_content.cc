#include "services/outbound-delivery/transport/spooled_content.h"

#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/net/await.h"

namespace turnpike::delivery {

struct SpooledContent::Buffer {
  using Ready = absl::AnyInvocable<void(bool)>;

  absl::Mutex mu;
  std::deque<std::string> pieces ABSL_GUARDED_BY(mu);
  std::optional<absl::Status> end ABSL_GUARDED_BY(mu);
  bool is_unwanted ABSL_GUARDED_BY(mu) = false;
  Ready ready ABSL_GUARDED_BY(mu);  // of a Next that waits; null if none does

  bool Add(absl::string_view bytes) {
    Ready waiting;
    {
      absl::MutexLock lock(&mu);
      if (is_unwanted) return false;
      if (bytes.empty()) return true;
      pieces.emplace_back(bytes);
      waiting = std::exchange(ready, nullptr);
    }
    if (waiting) waiting(true);
    return true;
  }

  void End(absl::Status status) {
    Ready waiting;
    {
      absl::MutexLock lock(&mu);
      end = std::move(status);
      waiting = std::exchange(ready, nullptr);
    }
    if (waiting) waiting(true);
  }

  // Calls `done` once there is a piece or the end.
  void WhenReady(Ready done) {
    {
      absl::MutexLock lock(&mu);
      if (pieces.empty() && !end) {
        ready = std::move(done);
        return;
      }
    }
    done(true);
  }
};

SpooledContent::SpooledContent(spool::Spool& spool, ContentBudget& budget, std::string message_id,
                               size_t bytes)
    : spool_(spool), budget_(budget), message_id_(std::move(message_id)), bytes_(bytes) {}

SpooledContent::~SpooledContent() {
  if (buffer_ == nullptr) return;
  {
    absl::MutexLock lock(&buffer_->mu);
    buffer_->is_unwanted = true;
    buffer_->pieces.clear();
  }
  budget_.Release(bytes_);
}

asio::awaitable<absl::Status> SpooledContent::Begin() {
  net::StartOperation<bool> acquire = [this](absl::AnyInvocable<void(bool)> done) {
    budget_.Acquire(bytes_, std::move(done));
  };
  const bool granted = co_await net::Await<bool>(std::move(acquire));
  if (!granted) co_return absl::CancelledError("shutting down");
  buffer_ = std::make_shared<Buffer>();
  spool_.ReadContent(
      message_id_, [buffer = buffer_](absl::string_view bytes) { return buffer->Add(bytes); },
      [buffer = buffer_](absl::Status status) { buffer->End(std::move(status)); });
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<net::ContentPiece>> SpooledContent::Next() {
  if (buffer_ == nullptr && status_.ok()) status_ = co_await Begin();
  if (!status_.ok()) co_return status_;
  net::StartOperation<bool> wait = [buffer = buffer_](absl::AnyInvocable<void(bool)> done) {
    buffer->WhenReady(std::move(done));
  };
  co_await net::Await<bool>(std::move(wait));
  piece_.clear();
  {
    absl::MutexLock lock(&buffer_->mu);
    if (!buffer_->pieces.empty()) {
      piece_ = std::move(buffer_->pieces.front());
      buffer_->pieces.pop_front();
    } else if (!buffer_->end->ok()) {
      status_ = *buffer_->end;
    }
  }
  given_ += piece_.size();
  // The last octet is not let go before the whole is known to be what was stored: the size here,
  // the checksum by the store.
  if (status_.ok() && (piece_.empty() ? given_ < bytes_ : given_ > bytes_)) {
    status_ = absl::DataLossError("the content's size is not what it was");
  }
  if (!status_.ok()) co_return status_;
  co_return net::ContentPiece{.bytes = piece_, .is_last = piece_.empty()};
}

}  // namespace turnpike::delivery
