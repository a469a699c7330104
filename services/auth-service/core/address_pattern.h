// Addresses and patterns of addresses in the configuration: `*@example.org`. (AU-7)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ADDRESS_PATTERN_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ADDRESS_PATTERN_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/smtp/address.h"

namespace turnpike::auth {

// `*` stands for any octets, none included, on its side of the `@` only: `*@example.org`,
// `news-*@*.example.org`. Case does not matter. A domain without `*` may be written with U-labels.
// Thread-compatible value type.
class AddressPattern {
 public:
  // `text` has passed the configuration's checks; one that is no pattern matches nothing.
  explicit AddressPattern(absl::string_view text);

  bool Matches(const smtp::Mailbox& mailbox) const;

 private:
  std::vector<std::string> local_part_;  // the pieces between `*`s, in lower case; empty: nothing
  std::vector<std::string> domain_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ADDRESS_PATTERN_H_
