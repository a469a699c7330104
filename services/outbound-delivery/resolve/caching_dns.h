// Remembers answers for as long as they say, and asks once for all who want to know the same.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_CACHING_DNS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_CACHING_DNS_H_

#include <cstddef>
#include <list>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace turnpike::delivery {

class CachingDns : public Dns {
 public:
  struct Options {
    absl::Duration time_min = absl::Seconds(5);  // answers are kept at least and at most so long
    absl::Duration time_max = absl::Hours(1);
    absl::Duration failure_time = absl::Seconds(1);  // failures, whatever time_min says
    size_t entries_max = 100'000;  // more: those that were not asked for longest go; 0: no cache
  };

  // `source` and `clock` outlive this.
  CachingDns(Dns& source, Options options, const base::Clock& clock);
  ~CachingDns() override;

  void Ask(const DnsQuestion& question, Callback done) override;

  size_t size() const;

 private:
  // What the source's callbacks keep alive.
  struct State;
  Dns& source_;
  const std::shared_ptr<State> state_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_CACHING_DNS_H_
