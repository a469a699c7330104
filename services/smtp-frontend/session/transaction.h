// One message's envelope on its way in: what MAIL and RCPT said, split by queue.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TRANSACTION_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TRANSACTION_H_

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/parameters.h"

namespace turnpike::frontend {

// Thread safety: thread-compatible. Pure.
class Transaction {
 public:
  Transaction(const smtp::Path& return_path, const smtp::MailParameters& parameters);

  // Adds a recipient that the policy has accepted; `verdict` names its class and queue. A gateway's
  // recipients are held, all others are due at once.
  // INVALID_ARGUMENT when the verdict names none: nothing is added, answer 451.
  absl::Status AddRecipient(const smtp::Path& forward_path, const smtp::RcptParameters& parameters,
                            const auth::v1::Verdict& verdict);

  size_t recipient_count() const { return recipient_count_; }
  // Of the deliveries, one for each queue.
  size_t queue_count() const { return static_cast<size_t>(message_.deliveries_size()); }
  // The recipient's address if there is exactly one; else empty.
  const std::string& only_recipient() const;
  const std::string& return_path() const { return message_.envelope().return_path(); }
  // Whether anybody but relaying needs it: false when all recipients are of class REMOTE.
  bool has_own_recipient() const { return has_own_recipient_; }

  // The message without id, content and client facts.
  spool::v1::NewMessage TakeMessage() && { return std::move(message_); }

 private:
  spool::v1::NewMessage message_;
  absl::flat_hash_map<std::string, int> delivery_by_queue_;
  size_t recipient_count_ = 0;
  bool has_own_recipient_ = false;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TRANSACTION_H_
