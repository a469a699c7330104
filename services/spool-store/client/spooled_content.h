// The content of a large message, read from the spool while the SMTP client sends it.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SPOOLED_CONTENT_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SPOOLED_CONTENT_H_

#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/net/smtp_client.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::spool {

// Holds one piece: the next one is asked for when the client has taken the last. Strand-confined;
// good for one pass.
class SpooledContent : public net::ContentSource {
 public:
  // `bytes`: the size that was promised for the message.
  SpooledContent(Spool& spool, uint64_t delivery_id, absl::string_view message_id, size_t bytes)
      : reader_(spool.ReadContent(delivery_id, message_id)), bytes_(bytes) {}

  // An empty last piece ends the content: the store has compared it with its checksum then. Errors:
  // those of ContentReader::Next; DATA_LOSS also when the content is shorter or longer than
  // `bytes`. All are final.
  asio::awaitable<absl::StatusOr<net::ContentPiece>> Next() override;

  // Why Next has failed; OK if it has not.
  const absl::Status& status() const { return status_; }

 private:
  const std::unique_ptr<ContentReader> reader_;
  const size_t bytes_;
  size_t given_ = 0;
  std::string piece_;
  absl::Status status_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SPOOLED_CONTENT_H_
