// What all services measure in the same way, over prometheus-cpp. A service keeps its own series as
// references in one `Metrics` struct, made once; names and labels follow docs/metrics.md.
#ifndef TURNPIKE_SERVICES_COMMON_OBSERVE_METRICS_H_
#define TURNPIKE_SERVICES_COMMON_OBSERVE_METRICS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace prometheus {
class Registry;
}

namespace turnpike::observe {

// Upper bounds in seconds, 1 ms to 300 s: for everything that takes time.
const std::vector<double>& LatencyBuckets();
// Upper bounds in octets, 1 kB to 100 MB in steps of 10^0.5.
const std::vector<double>& SizeBuckets();
// Upper bounds for counts of things done at once (recipients, operations in a commit): 1 to 10,000.
const std::vector<double>& CountBuckets();

// A registry that has turnpike_build_info.
std::shared_ptr<prometheus::Registry> CreateRegistry();

// Bounds a label whose values come from the configuration (listeners, routes): the first
// `values_max` names are admitted, later ones are `_other`. Thread-safe.
class LabelCap {
 public:
  explicit LabelCap(size_t values_max = 64) : values_max_(values_max) {}
  std::string Admit(absl::string_view value);

 private:
  const size_t values_max_;
  absl::Mutex mu_;
  absl::flat_hash_set<std::string> values_ ABSL_GUARDED_BY(mu_);
};

// The process_* metrics of this process, read when they are asked for, and
// turnpike_log_messages_total. Where /proc cannot be read a metric is left out. Thread-safe.
class ProcessCollector : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace turnpike::observe

#endif  // TURNPIKE_SERVICES_COMMON_OBSERVE_METRICS_H_
