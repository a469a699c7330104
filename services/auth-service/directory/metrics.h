// The series of the directories. (AU-23)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_METRICS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_METRICS_H_

#include "prometheus/counter.h"
#include "prometheus/histogram.h"

namespace prometheus {
class Registry;
}

namespace turnpike::auth {

// Of one directory. Thread-safe.
struct DirectoryMetrics {
  // `backend` is `ldap` or `dovecot`.
  DirectoryMetrics(prometheus::Registry& registry, const char* backend);

  prometheus::Histogram& duration_seconds;  // turnpike_auth_backend_duration_seconds{backend}
  // turnpike_auth_backend_errors_total{backend}: no answer, or not in time. Mail gets 451, logins
  // 454.
  prometheus::Counter& errors;
  // turnpike_auth_backend_dropped_total{backend}: more questions at one time than may wait.
  prometheus::Counter& dropped;
  // turnpike_auth_backend_remembered_total{backend}: answered without asking.
  prometheus::Counter& remembered;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_METRICS_H_
