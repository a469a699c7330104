// The addresses of one gateway that mail is taken for. (DQ-4)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_RECIPIENT_LIST_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_RECIPIENT_LIST_H_

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/common/smtp/address.h"

namespace turnpike::auth {

// Local parts compare without case. Immutable once filled; then thread-safe.
class RecipientList {
 public:
  // INVALID_ARGUMENT: `address` is no mailbox in a domain.
  absl::Status Add(absl::string_view address);
  // Adds what a file holds: one address a line, `#` begins a comment. INVALID_ARGUMENT names the
  // first line that is no address; then the list is of no use.
  absl::Status AddLines(absl::string_view text);

  // `postmaster` of any domain is always known. [RFC5321 4.5.1]
  bool Knows(const smtp::Mailbox& recipient) const;
  size_t size() const { return addresses_.size(); }

 private:
  absl::flat_hash_set<std::string> addresses_;  // canonical, in lower case
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_RECIPIENT_LIST_H_
