// Domain sharing: the other servers of our local domains are asked about an address, and their
// answers remembered. (AU-3, AU-20)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_SHARED_DOMAINS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_SHARED_DOMAINS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "services/auth-service/core/address_sharing.h"
#include "services/auth-service/sharing/address_probe.h"
#include "services/auth-service/sharing/metrics.h"
#include "services/common/base/clock.h"

namespace turnpike::auth {

// All servers are asked at once; the first "yes" decides. A thread of its own does the talking.
//
// Thread-safe.
class SharedDomains : public AddressSharing {
 public:
  struct Options {
    std::vector<ProbeTarget> hosts;
    ProbeOptions probe;
    absl::Duration found_time;      // how long "found" is remembered; 0: not at all
    absl::Duration not_found_time;  // the same for "not found"
    size_t cache_entries_max = 100'000;
    // Addresses asked about at one time; further ones count as not found.
    size_t questions_max = 50;
  };
  // The others outlive this.
  SharedDomains(Options options, SharingMetrics& metrics, const base::Clock& clock);
  // Open questions are answered with "no".
  ~SharedDomains() override;

  void Find(std::string address, absl::AnyInvocable<void(bool is_found)> done) override;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_SHARED_DOMAINS_H_
