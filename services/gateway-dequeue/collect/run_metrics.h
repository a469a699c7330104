// The series of our own runs: collections and requests. (DQ-52)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_RUN_METRICS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_RUN_METRICS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/labels.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/observe/metrics.h"
#include "services/gateway-dequeue/collect/schedule.h"

namespace prometheus {
class Counter;
class Gauge;
class Registry;
template <typename T>
class Family;
}  // namespace prometheus

namespace turnpike::dequeue {

// `collection` or `request`, as label `kind`.
enum class RunKind { kCollection, kRequest };
absl::string_view RunKindName(RunKind kind);

// One collection's or request's.
struct RunSeries {
  RunKind kind;
  prometheus::Gauge& running;
  prometheus::Gauge& failures;      // in a row
  prometheus::Gauge& last_success;  // time; 0: none known
  prometheus::Counter* taken;       // messages; null for requests, like the next
  prometheus::Counter* refused;     // messages and recipients
};

// Thread-safe.
class RunMetrics {
 public:
  // `registry` outlives this.
  explicit RunMetrics(prometheus::Registry& registry);

  // The same for all who ask for a name at one time. When the last of them has gone the name's
  // series are no longer reported, and it makes room for another under the cap on names: a
  // collection that was taken out of the configuration has no failures.
  std::shared_ptr<RunSeries> ForName(RunKind kind, absl::string_view name);
  // A run that has ended.
  void CountRun(RunSeries& series, const v1::Run& run);
  // What is remembered, which another replica may have written.
  static void Show(const RunHistory& history, RunSeries& series);

 private:
  // Takes the series away, unless somebody has asked for them again meanwhile.
  void Forget(const prometheus::Labels& labels, RunSeries* series);

  observe::LabelCap names_;
  prometheus::Family<prometheus::Counter>& runs_;
  prometheus::Family<prometheus::Gauge>& running_;
  prometheus::Family<prometheus::Gauge>& failures_;
  prometheus::Family<prometheus::Gauge>& last_success_;
  prometheus::Family<prometheus::Counter>& messages_;
  absl::Mutex mu_;
  std::map<prometheus::Labels, std::weak_ptr<RunSeries>> series_ ABSL_GUARDED_BY(mu_);
};

// `refused` for RUN_ENDING_REFUSED, and so on: the label `result` of turnpike_dequeue_runs_total.
std::string RunEndingLabel(v1::RunEnding ending);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_RUN_METRICS_H_
