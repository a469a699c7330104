#include "services/spool-store/storage/metrics.h"

#include <string>
#include <utility>

#include "services/common/observe/metrics.h"

namespace turnpike::spool {
namespace {

constexpr std::array<const char*, 2> kKinds = {"delivery", "gateway"};
constexpr std::array<const char*, 2> kWorkerNames = {"delivery", "dequeue"};

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry,
                                                       const std::string& name,
                                                       const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Gauge>& GaugeFamily(prometheus::Registry& registry,
                                                   const std::string& name,
                                                   const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

prometheus::Histogram& AddHistogram(prometheus::Registry& registry, const std::string& name,
                                    const std::string& help, const std::vector<double>& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

// One series for each value of `label`.
template <typename T, size_t n>
void AddEach(prometheus::Family<T>& family, const std::string& label,
             const std::array<const char*, n>& values, std::array<T*, n>& out) {
  for (size_t i = 0; i < n; ++i) out[i] = &family.Add({{label, values[i]}});
}

template <typename T, size_t n>
void AddEachKind(prometheus::Family<T>& family, const std::string& label,
                 const std::array<const char*, n>& values, Metrics::PerKind<T, n>& out) {
  for (size_t kind = 0; kind < kKinds.size(); ++kind) {
    for (size_t i = 0; i < n; ++i) {
      out[kind][i] = &family.Add({{"queue", kKinds[kind]}, {label, values[i]}});
    }
  }
}

}  // namespace

Metrics::Metrics(std::shared_ptr<prometheus::Registry> registry) : registry_(std::move(registry)) {
  prometheus::Registry& r = *registry_;
  AddEach(CounterFamily(r, "turnpike_spool_enqueued_total", "Deliveries stored."), "queue", kKinds,
          enqueued);
  AddEachKind<prometheus::Counter, kOutcomes>(
      CounterFamily(r, "turnpike_spool_completed_total", "Recipients that are done, by how."),
      "outcome", {"delivered", "bounced", "deleted"}, completed);
  AddEach<prometheus::Counter, kRefusals>(
      CounterFamily(r, "turnpike_spool_refused_total", "Messages that were not stored, by why."),
      "reason", {"full", "invalid", "failed", "draining"}, refused);
  AddEach<prometheus::Counter, kDirections>(
      CounterFamily(r, "turnpike_spool_moved_total",
                    "Deliveries moved between shards, while one is drained."),
      "direction", {"out", "in"}, moved);
  repeated = &CounterFamily(r, "turnpike_spool_repeated_total",
                            "Messages that came again and were there already.")
                  .Add({});
  AddEach(CounterFamily(r, "turnpike_spool_leases_expired_total", "Leases that ran out."),
          "consumer", kWorkerNames, leases_expired);
  integrity_errors =
      &CounterFamily(r, "turnpike_spool_integrity_errors_total",
                     "Damaged deliveries found and set aside. Look for their ids in the log.")
           .Add({});
  commit_duration = &AddHistogram(r, "turnpike_spool_commit_duration_seconds",
                                  "Time of one synced write.", observe::LatencyBuckets());
  commit_operations = &AddHistogram(r, "turnpike_spool_commit_operations",
                                    "Operations in one synced write.", observe::CountBuckets());

  AddEachKind<prometheus::Gauge, kStates>(
      GaugeFamily(r, "turnpike_spool_deliveries", "Deliveries in the spool."), "state",
      {"ready", "leased", "deferred", "held", "parked"}, deliveries);
  AddEach(GaugeFamily(r, "turnpike_spool_content_bytes", "Content of the deliveries."), "queue",
          kKinds, bytes);
  AddEach(GaugeFamily(r, "turnpike_spool_oldest_delivery_timestamp_seconds",
                      "Arrival of the oldest delivery, to the minute; 0 without any."),
          "queue", kKinds, oldest_delivery);
  AddEach(GaugeFamily(r, "turnpike_spool_leases", "Running leases."), "consumer", kWorkerNames,
          leases);
  AddEach(GaugeFamily(r, "turnpike_spool_oldest_lease_timestamp_seconds",
                      "Start or renewal of the oldest lease; 0 without any."),
          "consumer", kWorkerNames, oldest_lease);
  queues = &GaugeFamily(r, "turnpike_spool_queues", "Queues that are known.").Add({});
  accepting =
      &GaugeFamily(r, "turnpike_spool_accepting", "1 while new messages are taken.").Add({});
  draining = &GaugeFamily(r, "turnpike_spool_draining",
                          "1 while the shard's mail is moved to the other shards.")
                  .Add({});
  used_bytes = &GaugeFamily(r, "turnpike_spool_used_bytes", "Size of the spool's files.").Add({});
  free_bytes =
      &GaugeFamily(r, "turnpike_spool_filesystem_free_bytes", "Free space where the spool is.")
           .Add({});
  pending_compaction_bytes = &GaugeFamily(r, "turnpike_spool_engine_pending_compaction_bytes",
                                          "What RocksDB has yet to rewrite.")
                                  .Add({});
  write_stopped =
      &GaugeFamily(r, "turnpike_spool_engine_write_stopped", "1 while RocksDB holds writes up.")
           .Add({});
  shared_entries =
      &GaugeFamily(r, "turnpike_spool_shared_entries", "Entries of the shared state.").Add({});
  auto& slots =
      GaugeFamily(r, "turnpike_spool_slots", "Slots of the limits that hold over all processes.");
  slots_held = &slots.Add({{"state", "held"}});
  slots_waiting = &slots.Add({{"state", "waiting"}});
}

}  // namespace turnpike::spool
