// The series of domain sharing. (AU-20)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_METRICS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_METRICS_H_

#include "prometheus/counter.h"

namespace prometheus {
class Registry;
}

namespace turnpike::auth {

// Thread-safe.
struct SharingMetrics {
  explicit SharingMetrics(prometheus::Registry& registry);

  // turnpike_auth_sharing_answers_total{result}: what the servers of domain_sharing.hosts said.
  // `no_answer`: silent, away, or "later"; the address counts as not found there.
  prometheus::Counter& found;
  prometheus::Counter& not_found;
  prometheus::Counter& no_answer;
  // The same: answered from memory; too many questions at one time, counted as not found.
  prometheus::Counter& remembered;
  prometheus::Counter& dropped;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_METRICS_H_
