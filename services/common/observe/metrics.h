// What all services measure in the same way, over prometheus-cpp. A service keeps its own series as
// references in one `Metrics` struct, made once; names and labels follow docs/metrics.md.
#ifndef TURNPIKE_SERVICES_COMMON_OBSERVE_METRICS_H_
#define TURNPIKE_SERVICES_COMMON_OBSERVE_METRICS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
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

// Bounds a label whose values come from the configuration (listeners, routes): as long as
// `values_max` names are admitted, further ones are `_other`. Copies are one and the same cap.
// Thread-safe.
class LabelCap {
 public:
  explicit LabelCap(size_t values_max = 64);

  std::string Admit(absl::string_view value);
  // Takes back one Admit, by what it returned. After as many as there were the name makes room for
  // another, as when a reload takes it out of the configuration; `on_last` is called before anybody
  // else can have the place, to take the name's series away. It must not use the cap.
  void Release(const std::string& admitted, const std::function<void()>& on_last = nullptr);

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

// The process_* metrics of this process, read when they are asked for, and
// turnpike_log_messages_total. Where /proc cannot be read a metric is left out. Thread-safe.
class ProcessCollector : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace turnpike::observe

#endif  // TURNPIKE_SERVICES_COMMON_OBSERVE_METRICS_H_
