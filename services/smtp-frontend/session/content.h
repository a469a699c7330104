// A message's content on its way from the client to the spool: gathered while it is small, passed
// on piece by piece when it is not, so that memory for each stays bounded.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_CONTENT_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_CONTENT_H_

#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/base/message_id.h"
#include "services/smtp-frontend/session/environment.h"

namespace turnpike::frontend {

// Strand-confined. Destroying it before Commit leaves nothing behind in the spool.
class Content {
 public:
  // When the sink holds this much, call Spill. With what one more read adds it still fits inline.
  static constexpr size_t kSpillBytes = spool::kInlineContentBytesMax - BufferPool::kBufferBytes;

  // `head` is put before what comes in (Received:). `bytes_hint`: how much will come, if known.
  // `environment` outlives this.
  Content(const SessionEnvironment& environment, base::MessageId id, std::string head,
          size_t bytes_hint);
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  ~Content();

  const base::MessageId& id() const { return id_; }
  std::string* sink() { return &sink_; }
  // What has come in so far; only before the first Spill.
  absl::string_view arrived() const { return absl::string_view(sink_).substr(head_bytes_); }
  bool has_spilled() const { return spilled_bytes_ > 0; }
  // All of the content so far, with the head.
  size_t bytes() const { return spilled_bytes_ + sink_.size(); }

  // Passes on what the sink holds and empties it. Returns when the spool wants more: the client is
  // not read meanwhile. An error ends the message; reply SpoolFailureReply.
  asio::awaitable<absl::Status> Spill();

  // Sends the rest and the envelope. OK: the message is durable, responsibility for it is ours.
  // Called once; errors as Spool::Enqueue's.
  asio::awaitable<absl::Status> Commit(spool::v1::NewMessage message, absl::Time deadline);

 private:
  const SessionEnvironment& environment_;
  const base::MessageId id_;
  std::string sink_;
  const size_t head_bytes_;
  size_t spilled_bytes_ = 0;
  bool is_over_ = false;  // committed, or dropped by the spool: nothing to take back
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_CONTENT_H_
