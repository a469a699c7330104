// Fetches MTA-STS policies from web servers.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_STS_FETCHER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_STS_FETCHER_H_

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "services/common/net/ip.h"

namespace turnpike::delivery {

// Thread-safe.
class StsFetcher {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  virtual ~StsFetcher() = default;
  // Gets `https://<host>/.well-known/mta-sts.txt` from one of `addresses` (at least one). `done`
  // is called exactly once, on any thread, after a bounded time or when this is destroyed; it must
  // not block. UNAVAILABLE says why there is no text.
  virtual void Fetch(const std::string& host, const std::vector<net::IpAddress>& addresses,
                     Callback done) = 0;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_STS_FETCHER_H_
