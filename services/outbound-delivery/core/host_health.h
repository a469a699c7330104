// Hosts that did not answer lately are tried after the others. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_HOST_HEALTH_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_HOST_HEALTH_H_

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace turnpike::delivery {

// Thread safety: thread-compatible.
class HostHealth {
 public:
  struct Options {
    absl::Duration sick_time = absl::Seconds(60);
    size_t hosts_max = 10'000;  // further sick hosts count as healthy
  };

  explicit HostHealth(Options options) : options_(options) {}

  // `host` is an address and port.
  void OnFailure(const std::string& host, absl::Time now);
  void OnSuccess(const std::string& host);
  bool IsSick(const std::string& host, absl::Time now) const;

 private:
  const Options options_;
  absl::flat_hash_map<std::string, absl::Time> sick_until_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_HOST_HEALTH_H_
