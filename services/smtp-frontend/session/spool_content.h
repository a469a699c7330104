// A large message's content, read from the spool piece by piece for the SMTP client.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_SPOOL_CONTENT_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_SPOOL_CONTENT_H_

#include <asio/awaitable.hpp>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/net/smtp_client.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::frontend {

// Strand-confined. Begins to read when it is made; destroying it stops that.
//
// Limit: Spool::ReadContent cannot be slowed down, so that up to the whole message waits in memory
// when the peer is slower than the store.
class SpoolContent : public net::ContentSource {
 public:
  SpoolContent(spool::Spool& spool, absl::string_view message_id);
  SpoolContent(const SpoolContent&) = delete;
  SpoolContent& operator=(const SpoolContent&) = delete;
  ~SpoolContent() override;

  // Errors as Spool::ReadContent's. An empty last piece ends the content.
  asio::awaitable<absl::StatusOr<net::ContentPiece>> Next() override;

 private:
  class Pieces;
  const std::shared_ptr<Pieces> pieces_;  // shared with the spool's callbacks
  std::string current_;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_SPOOL_CONTENT_H_
