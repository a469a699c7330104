#include "services/gateway-dequeue/rpc/metrics.h"

#include <algorithm>

#include "prometheus/registry.h"
#include "services/common/observe/metrics.h"

namespace turnpike::dequeue {
namespace {

const char* ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kEtrn:
      return "etrn";
    case Protocol::kAtrn:
      return "atrn";
    case Protocol::kInterval:
      return "interval";
    case Protocol::kOperator:
      return "operator";
  }
  return "";
}

constexpr Protocol kProtocols[] = {Protocol::kEtrn, Protocol::kAtrn, Protocol::kInterval,
                                   Protocol::kOperator};

constexpr Result kResults[] = {Result::kStarted,         Result::kNoMail,    Result::kUnknownDomain,
                               Result::kUnauthenticated, Result::kForbidden, Result::kBusy,
                               Result::kSuspended,       Result::kError};

prometheus::Family<prometheus::Gauge>& GaugeFamily(const char* name, const char* help,
                                                   prometheus::Registry& registry) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

double Grown(int64_t before, int64_t now) {
  return static_cast<double>(std::max<int64_t>(now - before, 0));
}

}  // namespace

const char* ResultName(Result result) {
  switch (result) {
    case Result::kStarted:
      return "started";
    case Result::kNoMail:
      return "no_mail";
    case Result::kUnknownDomain:
      return "unknown_domain";
    case Result::kUnauthenticated:
      return "unauthenticated";
    case Result::kForbidden:
      return "forbidden";
    case Result::kBusy:
      return "busy";
    case Result::kSuspended:
      return "suspended";
    case Result::kError:
      return "error";
  }
  return "";
}

Metrics::Metrics(prometheus::Registry& registry)
    : atrn_sessions(GaugeFamily("turnpike_dequeue_sessions", "Sessions that run now", registry)
                        .Add({{"protocol", "atrn"}})),
      atrn_session_seconds(prometheus::BuildHistogram()
                               .Name("turnpike_dequeue_session_duration_seconds")
                               .Help("How long sessions lasted, from grant to end")
                               .Register(registry)
                               .Add({{"protocol", "atrn"}}, observe::LatencyBuckets())),
      domains_waiting(GaugeFamily("turnpike_dequeue_domains_waiting",
                                  "Gateways for which mail is held", registry)
                          .Add({})),
      gateway_held_messages(GaugeFamily("turnpike_dequeue_gateway_held_messages",
                                        "Messages held for the gateway", registry)),
      gateway_held_bytes(GaugeFamily("turnpike_dequeue_gateway_held_bytes",
                                     "Octets of messages in the gateway's queue", registry)),
      gateway_oldest_seconds(GaugeFamily(
          "turnpike_dequeue_gateway_oldest_timestamp_seconds",
          "Arrival of the oldest message in the gateway's queue; 0 when it is empty", registry)),
      overdue_gateways(GaugeFamily("turnpike_dequeue_overdue_gateways",
                                   "Gateways whose oldest held message has waited for too long",
                                   registry)
                           .Add({})),
      suspended_gateways(GaugeFamily("turnpike_dequeue_suspended_gateways",
                                     "Gateways that an operator has suspended", registry)
                             .Add({})),
      expired_messages(prometheus::BuildCounter()
                           .Name("turnpike_dequeue_expired_messages_total")
                           .Help("Messages held longer than the retention, returned")
                           .Register(registry)
                           .Add({})),
      access_entries_limit_hits(prometheus::BuildCounter()
                                    .Name("turnpike_dequeue_access_entries_limit_hits_total")
                                    .Help("Access entries not added, as the gateway has too many")
                                    .Register(registry)
                                    .Add({})),
      requests_(prometheus::BuildCounter()
                    .Name("turnpike_dequeue_requests_total")
                    .Help("Requests for held mail by how they ended")
                    .Register(registry)),
      messages_(prometheus::BuildCounter()
                    .Name("turnpike_dequeue_messages_total")
                    .Help("What ATRN sessions did with messages")
                    .Register(registry)),
      messages_delivered_(messages_.Add({{"protocol", "atrn"}, {"result", "delivered"}})),
      messages_deferred_(messages_.Add({{"protocol", "atrn"}, {"result", "deferred"}})),
      messages_rejected_(messages_.Add({{"protocol", "atrn"}, {"result", "rejected"}})),
      transferred_bytes_(prometheus::BuildCounter()
                             .Name("turnpike_dequeue_transferred_bytes_total")
                             .Help("Octets of messages delivered in sessions")
                             .Register(registry)
                             .Add({{"protocol", "atrn"}})) {
  // All there from the start, at 0.
  for (Protocol protocol : kProtocols) {
    for (Result result : kResults) {
      requests_.Add({{"protocol", ProtocolName(protocol)}, {"result", ResultName(result)}});
    }
  }
}

void Metrics::CountRequest(Protocol protocol, Result result) {
  requests_.Add({{"protocol", ProtocolName(protocol)}, {"result", ResultName(result)}}).Increment();
}

void Metrics::CountProgress(const v1::AtrnProgress& before, const v1::AtrnProgress& now) {
  messages_delivered_.Increment(Grown(before.delivered(), now.delivered()));
  messages_deferred_.Increment(Grown(before.kept(), now.kept()));
  messages_rejected_.Increment(Grown(before.returned(), now.returned()));
  transferred_bytes_.Increment(Grown(before.bytes(), now.bytes()));
}

}  // namespace turnpike::dequeue
