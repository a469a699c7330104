#include "services/outbound-delivery/metrics.h"

#include <algorithm>
#include <array>

#include <string>

#include "absl/strings/str_cat.h"
#include "prometheus/registry.h"
#include "services/common/observe/metrics.h"

namespace turnpike::delivery {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

Family<Counter>& CounterFamily(Registry& registry, const std::string& name,
                               const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Family<Gauge>& GaugeFamily(Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

Family<Histogram>& HistogramFamily(Registry& registry, const std::string& name,
                                   const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

constexpr std::array<int, 8> kCodes = {250, 421, 450, 451, 452, 550, 552, 554};
constexpr std::array<const char*, 5> kStages = {"banner", "mail", "rcpt", "data", "eom"};

size_t CodeIndex(int code) {
  for (size_t i = 0; i < kCodes.size(); ++i) {
    if (kCodes[i] == code) return i;
  }
  return kCodes.size();
}

// As TlsPolicyName has them; from kVerifiedFrom on the host has shown who it is.
constexpr std::array<const char*, 7> kTlsPolicies = {"none", "may", "encrypt",   "verify",
                                                     "dane", "sts", "requiretls"};
constexpr size_t kVerifiedFrom = 3;

}  // namespace

Metrics::Metrics(Registry& registry) {
  auto& attempts =
      CounterFamily(registry, "turnpike_delivery_attempts_total",
                    "Attempts to deliver a message, by the worst that became of a recipient.");
  auto& failures = CounterFamily(registry, "turnpike_delivery_failures_total",
                                 "Recipients that an attempt did not deliver to, by cause.");
  auto& attempt_duration = HistogramFamily(registry, "turnpike_delivery_attempt_duration_seconds",
                                           "Time of an attempt from its lease to its outcome.");
  auto& age = HistogramFamily(registry, "turnpike_delivery_age_seconds",
                              "Age of messages when they were delivered.");
  auto& connections = GaugeFamily(registry, "turnpike_delivery_connections",
                                  "Connections that are open for delivery.");
  auto& connections_total =
      CounterFamily(registry, "turnpike_delivery_connections_total",
                    "Connections opened, used again for a further message, taken over idle from "
                    "another session, and failed.");
  for (size_t i = 0; i < routes.size(); ++i) {
    Route& out = routes[i];
    const std::string name = RouteKindName(static_cast<RoutePlan::Kind>(i));
    size_t result = 0;
    for (const char* text : {"delivered", "deferred", "bounced", "aborted"}) {
      out.attempts[result++] = &attempts.Add({{"route", name}, {"result", text}});
    }
    for (size_t reason = 0; reason < kFailureReasons; ++reason) {
      out.failures[reason] = &failures.Add(
          {{"route", name}, {"reason", FailureReasonName(static_cast<FailureReason>(reason))}});
    }
    out.attempt_duration = &attempt_duration.Add({{"route", name}}, observe::LatencyBuckets());
    out.age = &age.Add({{"route", name}}, observe::LatencyBuckets());
    out.connections = &connections.Add({{"route", name}});
    out.connections_opened = &connections_total.Add({{"route", name}, {"result", "opened"}});
    out.connections_reused = &connections_total.Add({{"route", name}, {"result", "reused"}});
    out.connections_shared = &connections_total.Add({{"route", name}, {"result", "shared"}});
    out.connections_failed = &connections_total.Add({{"route", name}, {"result", "failed"}});
  }

  auto& replies_family = CounterFamily(registry, "turnpike_delivery_replies_total",
                                       "Replies of peers that decided a recipient's fate.");
  for (size_t stage = 0; stage < kStages.size(); ++stage) {
    for (size_t code = 0; code <= kCodes.size(); ++code) {
      replies[stage][code] = &replies_family.Add(
          {{"stage", kStages[stage]},
           {"code", code < kCodes.size() ? absl::StrCat(kCodes[code]) : "other"}});
    }
  }

  auto& stages = HistogramFamily(registry, "turnpike_delivery_stage_duration_seconds",
                                 "Where delivered mail spent its time.");
  stage_spool = &stages.Add({{"stage", "spool"}}, observe::LatencyBuckets());
  stage_connection = &stages.Add({{"stage", "connection"}}, observe::LatencyBuckets());
  stage_transmission = &stages.Add({{"stage", "transmission"}}, observe::LatencyBuckets());

  auto& tls = CounterFamily(registry, "turnpike_delivery_tls_sessions_total",
                            "Sessions by the TLS that they have.");
  for (size_t policy = 0; policy < kTlsPolicies.size(); ++policy) {
    size_t protocol = 0;
    for (const char* text : {"none", "TLSv1.2", "TLSv1.3"}) {
      const char* const trust = protocol == 0            ? "anonymous"
                                : policy < kVerifiedFrom ? "untrusted"
                                                         : "verified";
      tls_sessions[policy][protocol++] =
          &tls.Add({{"policy", kTlsPolicies[policy]}, {"protocol", text}, {"trust", trust}});
    }
  }
  auto& sts = CounterFamily(registry, "turnpike_delivery_sts_policies_total",
                            "Looks for a domain's MTA-STS policy, by what became of them.");
  size_t outcome = 0;
  for (const char* text : {"none", "known", "fetched", "fetch_failed", "invalid"}) {
    sts_policies[outcome++] = &sts.Add({{"result", text}});
  }
  sts_test_failures =
      &CounterFamily(registry, "turnpike_delivery_sts_test_failures_total",
                     "Hosts that an MTA-STS policy in testing mode would have ruled out.")
           .Add({});

  auto& dns = CounterFamily(registry, "turnpike_delivery_dns_queries_total",
                            "Questions to DNS servers (not those answered from memory).");
  for (size_t type = 0; type < dns_queries.size(); ++type) {
    size_t result = 0;
    for (const char* text : {"ok", "nodata", "nxdomain", "servfail", "timeout"}) {
      dns_queries[type][result++] =
          &dns.Add({{"type", RecordTypeName(static_cast<RecordType>(type))}, {"result", text}});
    }
  }
  dns_duration = &HistogramFamily(registry, "turnpike_delivery_dns_duration_seconds",
                                  "Time until a DNS server had answered.")
                      .Add({}, observe::LatencyBuckets());

  auto& notifications = CounterFamily(registry, "turnpike_delivery_notifications_total",
                                      "Delivery status notifications, sent or not wanted.");
  size_t kind = 0;
  for (const char* text : {"failed", "delayed", "delivered", "relayed"}) {
    notifications_queued[kind] = &notifications.Add({{"kind", text}, {"result", "queued"}});
    notifications_suppressed[kind] = &notifications.Add({{"kind", text}, {"result", "suppressed"}});
    ++kind;
  }

  logins_failed = &CounterFamily(registry, "turnpike_delivery_logins_failed_total",
                                 "Sessions that a host did not let us log in to.")
                       .Add({});
  auto& pop = CounterFamily(registry, "turnpike_delivery_pop_checks_total",
                            "POP3 logins that open a smart host.");
  pop_checks[0] = &pop.Add({{"result", "ok"}});
  pop_checks[1] = &pop.Add({{"result", "failed"}});
  fallbacks = &CounterFamily(registry, "turnpike_delivery_fallbacks_total",
                             "Deliveries that went to the smart host because nobody of the domain "
                             "could be reached.")
                   .Add({});
  further_hosts = &CounterFamily(registry, "turnpike_delivery_further_hosts_total",
                                 "Deliveries offered to a further host after one had refused.")
                       .Add({});
  throttled = &CounterFamily(registry, "turnpike_delivery_throttled_total",
                             "Times that a host was given fewer connections because it answered "
                             "4xx or the connection was lost.")
                   .Add({});
  handed_back =
      &CounterFamily(registry, "turnpike_delivery_handed_back_total",
                     "Leased deliveries handed back untried: their destination is slow or "
                     "full, their round has not come, or their gateway is suspended.")
           .Add({});
  queues_paused = &GaugeFamily(registry, "turnpike_delivery_queues_paused",
                               "Queues that this worker leases nothing of at present.")
                       .Add({});
  destinations_stalled = &GaugeFamily(registry, "turnpike_delivery_destinations_stalled",
                                      "Destinations that have mail and take none.")
                              .Add({});
  leases_held = &GaugeFamily(registry, "turnpike_delivery_leases",
                             "Deliveries that this worker holds under lease.")
                     .Add({});
  destinations_waiting = &GaugeFamily(registry, "turnpike_delivery_waiting",
                                      "Leased deliveries that wait for a connection.")
                              .Add({});
  settlements_lost =
      &CounterFamily(registry, "turnpike_delivery_settlements_lost_total",
                     "Outcomes that could not be recorded: the mail may go out twice.")
           .Add({});
  lease_streams_closed = &CounterFamily(registry, "turnpike_delivery_lease_streams_closed_total",
                                        "Lease streams that the store, or its absence, has ended.")
                              .Add({});
}

void Metrics::CountReply(smtp::Stage stage, int code) {
  switch (stage) {
    case smtp::Stage::kLocal:
    case smtp::Stage::kConnection:
      return;
    case smtp::Stage::kMail:
      return replies[1][CodeIndex(code)]->Increment();
    case smtp::Stage::kRecipient:
      return replies[2][CodeIndex(code)]->Increment();
    case smtp::Stage::kData:
      return replies[3][CodeIndex(code)]->Increment();
    case smtp::Stage::kEndOfData:
      return replies[4][CodeIndex(code)]->Increment();
  }
}

void Metrics::CountBannerReply(int code) { replies[0][CodeIndex(code)]->Increment(); }

void Metrics::CountTlsSession(absl::string_view policy, const net::TlsFacts& facts) {
  const size_t protocol = facts.protocol == "TLSv1.3" ? 2 : facts.protocol == "TLSv1.2" ? 1 : 0;
  const auto it = std::find(kTlsPolicies.begin(), kTlsPolicies.end(), policy);
  tls_sessions[static_cast<size_t>(it - kTlsPolicies.begin())][protocol]->Increment();
}

void Metrics::CountDns(RecordType type, DnsAnswer::Result result) {
  dns_queries[static_cast<size_t>(type)][static_cast<size_t>(result)]->Increment();
}

}  // namespace turnpike::delivery
