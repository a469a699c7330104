// The series of gateway-dequeue. Labels come from closed sets, or from the configuration, capped.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_METRICS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_METRICS_H_

#include <cstdint>

#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/gateway-dequeue/core/decision.h"

namespace prometheus {
class Registry;
}

namespace turnpike::dequeue {

// Who asked; kInterval is DQ-3, kOperator DQ-61.
enum class Protocol { kEtrn, kAtrn, kInterval, kOperator };

// As in the label `result`.
const char* ResultName(Result result);

// Thread-safe.
class Metrics {
 public:
  explicit Metrics(prometheus::Registry& registry);

  // turnpike_dequeue_requests_total. Many `unauthenticated` or `forbidden`: somebody tries doors;
  // `error`: the store is away.
  void CountRequest(Protocol protocol, Result result);
  // turnpike_dequeue_messages_total: what ATRN sessions did since `before`.
  void CountProgress(const v1::AtrnProgress& before, const v1::AtrnProgress& now);

  prometheus::Gauge& atrn_sessions;  // running
  prometheus::Histogram& atrn_session_seconds;
  prometheus::Gauge& domains_waiting;  // gateways for which mail is held
  // By gateway, at most 64 of the configuration's and `_other`.
  prometheus::Family<prometheus::Gauge>& gateway_held_messages;
  prometheus::Family<prometheus::Gauge>& gateway_held_bytes;
  prometheus::Family<prometheus::Gauge>& gateway_oldest_seconds;  // 0: holds nothing
  prometheus::Gauge& overdue_gateways;    // whose oldest held mail has passed an age (DQ-60)
  prometheus::Gauge& suspended_gateways;  // by operators (DQ-61)
  prometheus::Counter& expired_messages;  // returned to their senders (DQ-2)
  prometheus::Counter& access_entries_limit_hits;

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& messages_;
  prometheus::Counter& messages_delivered_;
  prometheus::Counter& messages_deferred_;
  prometheus::Counter& messages_rejected_;
  prometheus::Counter& transferred_bytes_;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_METRICS_H_
