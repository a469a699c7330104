// What the store measures. Names and labels: services/spool-store/README.md.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_METRICS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_METRICS_H_

#include <array>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::spool {

// Two kinds of queues are told apart: `gateway`, and `delivery` for all others.
//
// Thread-safe. All series exist from the start.
struct Metrics {
  explicit Metrics(std::shared_ptr<prometheus::Registry> registry);

  static size_t KindIndex(v1::QueueKind kind) { return kind == v1::QUEUE_KIND_GATEWAY ? 1 : 0; }

  enum Outcome { kDelivered, kBounced, kDeleted, kOutcomes };
  enum State { kReady, kLeased, kDeferred, kHeld, kParked, kStates };
  enum Refusal { kFull, kInvalid, kFailed, kEmptying, kRefusals };
  enum Direction { kOut, kIn, kDirections };
  enum Worker { kDelivery, kDequeue, kWorkers };
  template <typename T, size_t n>
  using PerKind = std::array<std::array<T*, n>, 2>;

  std::array<prometheus::Counter*, 2> enqueued;
  PerKind<prometheus::Counter, kOutcomes> completed;  // recipients
  std::array<prometheus::Counter*, kRefusals> refused;
  prometheus::Counter* repeated;
  std::array<prometheus::Counter*, kWorkers> leases_expired;
  std::array<prometheus::Counter*, kDirections> moved;
  prometheus::Counter* integrity_errors;
  prometheus::Histogram* commit_duration;
  prometheus::Histogram* commit_operations;

  PerKind<prometheus::Gauge, kStates> deliveries;
  std::array<prometheus::Gauge*, 2> bytes;
  std::array<prometheus::Gauge*, 2> oldest_delivery;
  std::array<prometheus::Gauge*, kWorkers> leases;
  std::array<prometheus::Gauge*, kWorkers> oldest_lease;
  prometheus::Gauge* queues;
  prometheus::Gauge* accepting;
  prometheus::Gauge* draining;
  prometheus::Gauge* used_bytes;
  prometheus::Gauge* free_bytes;
  prometheus::Gauge* pending_compaction_bytes;
  prometheus::Gauge* write_stopped;
  prometheus::Gauge* shared_entries;
  prometheus::Gauge* slots_held;
  prometheus::Gauge* slots_waiting;

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_METRICS_H_
