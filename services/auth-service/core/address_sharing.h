// Domain sharing, as the rules ask it: does an address exist on another server? (AU-3, AU-20)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ADDRESS_SHARING_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ADDRESS_SHARING_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace turnpike::auth {

// Thread-safe.
class AddressSharing {
 public:
  virtual ~AddressSharing() = default;

  // Whether one of domain_sharing.hosts takes mail for `address` (of a local domain). A server that
  // does not answer counts as "no". `done` is called exactly once, also inside of this call when
  // the answer is known, on any thread; it does not block.
  virtual void Find(std::string address, absl::AnyInvocable<void(bool is_found)> done) = 0;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ADDRESS_SHARING_H_
