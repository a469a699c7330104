#include "services/smtp-frontend/session/metrics.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "services/smtp-frontend/session/replies.h"

namespace turnpike::frontend {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

constexpr absl::string_view kMechanisms[] = {
    "PLAIN",       "LOGIN",    "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1", "EXTERNAL", "other"};
constexpr absl::string_view kAuthResults[] = {"ok", "bad_credentials", "refused", "aborted",
                                              "error"};
constexpr absl::string_view kDequeueResults[] = {"delivered", "deferred", "rejected", "unknown"};
constexpr const char* kAuthorizedBy[] = {"sasl", "address", "recipient"};

// How long a session may last; latency buckets end too early.
const prometheus::Histogram::BucketBoundaries& SessionBuckets() {
  static const auto& buckets = *new prometheus::Histogram::BucketBoundaries{
      0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600};
  return buckets;
}

std::string Admitted(absl::string_view value, absl::Span<const absl::string_view> set) {
  const bool is_known = std::find(set.begin(), set.end(), value) != set.end();
  return std::string(is_known ? value : "other");
}

}  // namespace

Metrics::Metrics(prometheus::Registry& registry)
    : connections_(BuildCounter()
                       .Name("turnpike_smtp_connections_total")
                       .Help("Connections accepted")
                       .Register(registry)),
      open_connections_(BuildGauge()
                            .Name("turnpike_smtp_connections")
                            .Help("Connections open now")
                            .Register(registry)),
      connections_limit_(BuildGauge()
                             .Name("turnpike_smtp_connections_limit")
                             .Help("Connections that may be open at one time, over all listeners")
                             .Register(registry)),
      refused_(BuildCounter()
                   .Name("turnpike_smtp_connections_refused_total")
                   .Help("Connections refused before any command")
                   .Register(registry)),
      lost_(BuildCounter()
                .Name("turnpike_smtp_connections_lost_total")
                .Help("Connections that broke or timed out, by how far they had come")
                .Register(registry)),
      handshakes_(BuildCounter()
                      .Name("turnpike_smtp_tls_handshakes_total")
                      .Help("TLS handshakes with clients")
                      .Register(registry)),
      auth_attempts_(BuildCounter()
                         .Name("turnpike_smtp_auth_attempts_total")
                         .Help("AUTH exchanges by their end")
                         .Register(registry)),
      rejections_(BuildCounter()
                      .Name("turnpike_smtp_rejections_total")
                      .Help("Commands and messages refused")
                      .Register(registry)),
      messages_(BuildCounter()
                    .Name("turnpike_smtp_messages_received_total")
                    .Help("Messages that we have taken responsibility for")
                    .Register(registry)),
      session_seconds_(BuildHistogram()
                           .Name("turnpike_smtp_session_duration_seconds")
                           .Help("Time from connect to close")
                           .Register(registry)),
      dequeued_(BuildCounter()
                    .Name("turnpike_smtp_atrn_messages_total")
                    .Help("Messages offered to gateways that asked for them")
                    .Register(registry)),
      certificate_end_(BuildGauge()
                           .Name("turnpike_certificate_not_after_timestamp_seconds")
                           .Help("When a certificate in use ends")
                           .Register(registry)),
      uncounted_(
          BuildCounter()
              .Name("turnpike_smtp_rate_limit_uncounted_total")
              .Help("Connections and recipients of clients past those that rate limits count")
              .Register(registry)
              .Add({})),
      message_bytes_(BuildHistogram()
                         .Name("turnpike_smtp_message_size_bytes")
                         .Help("Size of the messages taken")
                         .Register(registry)
                         .Add({}, observe::SizeBuckets())),
      message_recipients_(BuildHistogram()
                              .Name("turnpike_smtp_message_recipients")
                              .Help("Recipients of the messages taken")
                              .Register(registry)
                              .Add({}, observe::CountBuckets())),
      accept_seconds_(BuildHistogram()
                          .Name("turnpike_smtp_accept_duration_seconds")
                          .Help("Time from the end of data to its positive answer")
                          .Register(registry)
                          .Add({}, observe::LatencyBuckets())),
      dequeued_bytes_(BuildCounter()
                          .Name("turnpike_smtp_atrn_transferred_bytes_total")
                          .Help("Content handed over to gateways that asked for it")
                          .Register(registry)
                          .Add({})),
      atrn_sessions_(BuildGauge()
                         .Name("turnpike_smtp_atrn_sessions")
                         .Help("Connections whose roles are turned now")
                         .Register(registry)
                         .Add({})),
      atrn_seconds_(BuildHistogram()
                        .Name("turnpike_smtp_atrn_session_duration_seconds")
                        .Help("Time from the turn to the close")
                        .Register(registry)
                        .Add({}, SessionBuckets())) {
  std::transform(std::begin(kStages), std::end(kStages), lost_by_stage_.begin(),
                 [this](Stage stage) {
                   return &lost_.Add({{"stage", std::string(StageName(stage))}});
                 });
  for (absl::string_view result : kDequeueResults) {
    dequeued_.Add({{"result", std::string(result)}});
  }
}

Metrics::~Metrics() = default;

std::shared_ptr<ListenerMetrics> Metrics::ForListener(absl::string_view listener) {
  const std::string label = listener_labels_.Admit(listener);
  const prometheus::Labels labels{{"listener", label}};
  const auto with = [&labels](const char* name, const char* value) {
    prometheus::Labels more = labels;
    more[name] = value;
    return more;
  };
  // Its counters stay, as those of the process. What says how it is now goes with the last profile
  // that has the name: a certificate that nobody shows any more need not be replaced.
  const auto forget = [cap = listener_labels_, label, &limits = connections_limit_,
                       &ends = certificate_end_](ListenerMetrics* gone) mutable {
    delete gone;
    cap.Release(label, [&] {
      limits.Remove(&limits.Add({{"listener", label}}));
      ends.Remove(&ends.Add({{"use", "smtp"}, {"name", label}}));
    });
  };
  std::shared_ptr<ListenerMetrics> metrics(
      new ListenerMetrics{
          .label = label,
          .connections = connections_.Add(labels),
          .open_connections = open_connections_.Add(labels),
          .refused_by_limit = refused_.Add(with("reason", "limit")),
          .refused_by_address_limit = refused_.Add(with("reason", "address_limit")),
          .refused_by_rate = refused_.Add(with("reason", "rate")),
          .refused_by_policy = refused_.Add(with("reason", "policy")),
          .refused_by_proxy_header = refused_.Add(with("reason", "proxy_header")),
          .session_seconds = session_seconds_.Add(labels, SessionBuckets()),
          .messages = {},
      },
      forget);
  for (size_t i = 0; i < metrics->messages.size(); ++i) {
    metrics->messages[i] = &messages_.Add(with("authorized_by", kAuthorizedBy[i]));
  }
  return metrics;
}

void Metrics::SetCertificateEnd(const ListenerMetrics& listener, absl::Time end) {
  certificate_end_.Add({{"use", "smtp"}, {"name", listener.label}})
      .Set(absl::ToDoubleSeconds(end - absl::UnixEpoch()));
}

void Metrics::SetConnectionsLimit(const ListenerMetrics& listener, double connections_max) {
  connections_limit_.Add({{"listener", listener.label}}).Set(connections_max);
}

void Metrics::CountUncounted() { uncounted_.Increment(); }

void Metrics::CountLost(Stage stage) { lost_by_stage_[static_cast<size_t>(stage)]->Increment(); }

void Metrics::CountHandshake(const ListenerMetrics& listener, absl::string_view protocol) {
  handshakes_
      .Add({{"listener", listener.label},
            {"protocol", protocol.empty() ? "none" : std::string(protocol)},
            {"result", protocol.empty() ? "error" : "ok"}})
      .Increment();
}

void Metrics::CountAuth(absl::string_view mechanism, absl::string_view result) {
  auth_attempts_
      .Add({{"mechanism", Admitted(mechanism, kMechanisms)},
            {"result", Admitted(result, kAuthResults)}})
      .Increment();
}

void Metrics::CountRejection(Stage stage, const smtp::Reply& reply) {
  rejections_
      .Add({{"stage", std::string(StageName(stage))},
            {"class", reply.is_transient() ? "4xx" : "5xx"},
            {"reason", std::string(RejectionReason(reply))}})
      .Increment();
}

void Metrics::CountSyntaxErrors(uint32_t count) {
  if (count == 0) return;
  rejections_.Add({{"stage", "command"}, {"class", "5xx"}, {"reason", "syntax"}}).Increment(count);
}

void Metrics::CountAccepted(size_t content_bytes, size_t recipients, double seconds) {
  message_bytes_.Observe(static_cast<double>(content_bytes));
  message_recipients_.Observe(static_cast<double>(recipients));
  accept_seconds_.Observe(seconds);
}

void Metrics::CountDequeued(absl::string_view result, size_t content_bytes) {
  dequeued_.Add({{"result", Admitted(result, kDequeueResults)}}).Increment();
  if (result == "delivered") dequeued_bytes_.Increment(static_cast<double>(content_bytes));
}

void Metrics::CountAtrnBegin() { atrn_sessions_.Increment(); }

void Metrics::CountAtrnEnd(double seconds) {
  atrn_sessions_.Decrement();
  atrn_seconds_.Observe(seconds);
}

}  // namespace turnpike::frontend
