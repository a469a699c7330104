#include "services/smtp-frontend/session/content.h"

#include <algorithm>
#include <utility>

#include "services/common/net/await.h"

namespace turnpike::frontend {
namespace {

// A declared size is a hint from a stranger: more is only reserved as content really comes.
constexpr size_t kReserveBytesMax = 16 * 1024;

}  // namespace

Content::Content(const SessionEnvironment& environment, base::MessageId id, std::string head,
                 size_t bytes_hint)
    : environment_(environment), id_(id), sink_(std::move(head)), head_bytes_(sink_.size()) {
  sink_.reserve(sink_.size() + std::min(bytes_hint, kReserveBytesMax));
}

Content::~Content() {
  if (is_over_ || spilled_bytes_ == 0 || environment_.spool == nullptr) return;
  environment_.spool->AbortContent(id_.bytes());
}

asio::awaitable<absl::Status> Content::Spill() {
  if (sink_.empty()) co_return absl::OkStatus();
  const int64_t offset = static_cast<int64_t>(spilled_bytes_);
  spilled_bytes_ += sink_.size();
  net::StartOperation<absl::Status> start = [this,
                                             offset](absl::AnyInvocable<void(absl::Status)> done) {
    environment_.spool->AppendContent(id_.bytes(), offset, std::exchange(sink_, std::string()),
                                      std::move(done));
  };
  absl::Status status = co_await net::Await<absl::Status>(std::move(start));
  if (!status.ok()) is_over_ = true;
  co_return status;
}

asio::awaitable<absl::Status> Content::Commit(spool::v1::NewMessage message, absl::Time deadline) {
  message.set_message_id(std::string(id_.bytes()));
  message.set_content_bytes(static_cast<int64_t>(bytes()));
  if (spilled_bytes_ == 0) {
    message.set_inline_content(std::move(sink_));
  } else {
    absl::Status spilled = co_await Spill();
    if (!spilled.ok()) co_return spilled;
  }
  net::StartOperation<absl::Status> start =
      [this, &message, deadline](absl::AnyInvocable<void(absl::Status)> done) {
        environment_.spool->Enqueue(std::move(message), deadline, std::move(done));
      };
  absl::Status stored = co_await net::Await<absl::Status>(std::move(start));
  is_over_ = stored.ok();
  co_return stored;
}

}  // namespace turnpike::frontend
