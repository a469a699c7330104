#include "services/auth-service/directory/metrics.h"

#include <string>

#include "prometheus/registry.h"
#include "services/common/observe/metrics.h"

namespace turnpike::auth {
namespace {

prometheus::Counter& Counter(prometheus::Registry& registry, const std::string& name,
                             const std::string& help, const char* backend) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(
      {{"backend", backend}});
}

}  // namespace

DirectoryMetrics::DirectoryMetrics(prometheus::Registry& registry, const char* backend)
    : duration_seconds(prometheus::BuildHistogram()
                           .Name("turnpike_auth_backend_duration_seconds")
                           .Help("Time that a directory took to answer")
                           .Register(registry)
                           .Add({{"backend", backend}}, observe::LatencyBuckets())),
      errors(Counter(registry, "turnpike_auth_backend_errors_total",
                     "Questions that a directory did not answer", backend)),
      dropped(Counter(registry, "turnpike_auth_backend_dropped_total",
                      "Questions not asked because too many waited", backend)),
      remembered(Counter(registry, "turnpike_auth_backend_remembered_total",
                         "Questions answered from memory", backend)) {}

}  // namespace turnpike::auth
