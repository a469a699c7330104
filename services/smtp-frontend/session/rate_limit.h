// How often clients may do something in a time: each for itself, and all together. (PL-6) Pure.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_RATE_LIMIT_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_RATE_LIMIT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/net/ip.h"

namespace turnpike::frontend {

// As whom limits count a client: its IPv4 address, or its IPv6 /64, for a single customer has that
// many addresses.
net::IpNetwork ClientNetwork(const net::IpAddress& address);

// A client that was silent may do all at once; what it has done is forgotten evenly over the
// period. A client takes 50 octets for so long.
//
// Thread-safe.
class RateLimit {
 public:
  struct Options {
    absl::Duration period = absl::Minutes(1);  // > 0
    uint32_t per_client_max = 0;               // in the period; 0: no limit
    uint32_t all_max = 0;                      // by all clients together; 0: no limit
    std::vector<net::IpNetwork> exempt;        // clients that are not counted at all
    // Clients that are counted at one time. Of further ones only `all_max` holds.
    size_t clients_max = 100'000;
    std::function<void()> on_uncounted;  // told each time that this happens; may be null
  };

  RateLimit() = default;  // no limit
  RateLimit(const RateLimit&) = delete;
  RateLimit& operator=(const RateLimit&) = delete;

  // What clients have done stays counted.
  void SetOptions(Options options);

  // Counts one. False: that would be too much, and is not counted.
  [[nodiscard]] bool Take(const net::IpAddress& address, absl::Time now);

  size_t client_count() const;

 private:
  // A bucket is the time at which all that was done is forgotten. What it is after one more.
  absl::Time After(absl::Time bucket, uint32_t max, absl::Time now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsTooMuch(absl::Time after, absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return after - now > options_.period;
  }
  // Whether one more client can be counted, after those who have nothing left were forgotten.
  bool HasRoom(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  Options options_ ABSL_GUARDED_BY(mu_);
  absl::Time all_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  absl::flat_hash_map<net::IpNetwork, absl::Time> clients_ ABSL_GUARDED_BY(mu_);
  absl::Time sweep_time_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_RATE_LIMIT_H_
