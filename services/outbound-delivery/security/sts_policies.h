// The MTA-STS policies of domains: found by DNS, fetched, remembered. [RFC8461]
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_STS_POLICIES_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_STS_POLICIES_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/net/ip.h"
#include "services/outbound-delivery/resolve/dns.h"
#include "services/outbound-delivery/security/mta_sts.h"
#include "services/outbound-delivery/security/sts_fetcher.h"

namespace turnpike::delivery {

// Thread-safe.
class StsPolicies {
 public:
  // What became of a look for a policy; labels of a metric.
  enum class Outcome { kNone, kKnown, kFetched, kFetchFailed, kInvalid };

  struct Options {
    size_t policies_max = 10'000;  // remembered at one time; the oldest gives way
    // A policy that could not be fetched is asked for again after so long. [RFC8461 3.3]
    absl::Duration failure_time = absl::Minutes(5);
    // Addresses that policies may be fetched from.
    std::function<bool(const net::IpAddress&)> is_allowed;
    std::function<void(Outcome)> report;
  };
  using Callback = absl::AnyInvocable<void(std::optional<StsPolicy>)>;

  // `dns`, which should remember answers, `fetcher` and `clock` outlive this and the callbacks.
  StsPolicies(Dns& dns, StsFetcher& fetcher, Options options, const base::Clock& clock);
  ~StsPolicies();

  // The policy that is in force for mail to `domain` (lower case, A-labels): the one that its DNS
  // record announces; where that cannot be had, the last one that has not expired. `done` is
  // called exactly once, on any thread, perhaps before this returns.
  void Find(const std::string& domain, Callback done);

  size_t size() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_STS_POLICIES_H_
