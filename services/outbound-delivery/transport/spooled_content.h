// The content of a large message, read from the spool while it is sent.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SPOOLED_CONTENT_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SPOOLED_CONTENT_H_

#include <asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/net/smtp_client.h"
#include "services/outbound-delivery/transport/content_budget.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::delivery {

// Begins to read with the first Next, as soon as the budget allows. Strand-confined; good for one
// pass.
class SpooledContent : public net::ContentSource {
 public:
  // `spool` and `budget` outlive this.
  SpooledContent(spool::Spool& spool, ContentBudget& budget, std::string message_id, size_t bytes);
  ~SpooledContent() override;

  // Errors: those of Spool::ReadContent; DATA_LOSS also when the content is shorter or longer than
  // `bytes`; CANCELLED at shutdown.
  asio::awaitable<absl::StatusOr<net::ContentPiece>> Next() override;

  // Why Next has failed; OK if it has not.
  const absl::Status& status() const { return status_; }

 private:
  // Shared with the callbacks of the spool.
  struct Buffer;

  asio::awaitable<absl::Status> Begin();

  spool::Spool& spool_;
  ContentBudget& budget_;
  const std::string message_id_;
  const size_t bytes_;
  size_t given_ = 0;
  std::string piece_;
  absl::Status status_;
  std::shared_ptr<Buffer> buffer_;  // null until the budget was granted
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SPOOLED_CONTENT_H_
