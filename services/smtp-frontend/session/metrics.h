// What smtp-frontend measures. The README says what a rise of each means.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_METRICS_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_METRICS_H_

#include <array>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/observe/metrics.h"
#include "services/common/smtp/reply.h"
#include "services/smtp-frontend/session/stage.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
template <typename T>
class Family;
}  // namespace prometheus

namespace turnpike::frontend {

// By whose right a message was taken.
enum class AuthorizedBy { kSasl, kAddress, kRecipient };

// The series of one listener.
struct ListenerMetrics {
  std::string label;  // its name, or `_other` past the cap on label values
  prometheus::Counter& connections;
  prometheus::Gauge& open_connections;
  prometheus::Counter& refused_by_limit;
  prometheus::Counter& refused_by_address_limit;
  prometheus::Counter& refused_by_rate;
  prometheus::Counter& refused_by_policy;
  prometheus::Counter& refused_by_proxy_header;  // bad, late, or cut off
  prometheus::Histogram& session_seconds;
  std::array<prometheus::Counter*, 3> messages;  // by AuthorizedBy
};

// Made once for a process. Thread-safe.
class Metrics {
 public:
  // `registry` outlives this.
  explicit Metrics(prometheus::Registry& registry);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  ~Metrics();

  // The series of the listener, which begin at 0 when its name is new.
  std::shared_ptr<ListenerMetrics> ForListener(absl::string_view listener);

  // How many connections may be open at one time, over all listeners.
  void SetConnectionsLimit(const ListenerMetrics& listener, double connections_max);
  // When the certificate of the listener ends.
  void SetCertificateEnd(const ListenerMetrics& listener, absl::Time end);
  void CountLost(Stage stage);
  // A rate limit has let something of a client pass for want of room to count it.
  void CountUncounted();
  // `protocol` as TlsFacts has it; empty for a handshake that failed.
  void CountHandshake(const ListenerMetrics& listener, absl::string_view protocol);
  // `result`: ok, bad_credentials, refused, aborted, error.
  void CountAuth(absl::string_view mechanism, absl::string_view result);
  void CountRejection(Stage stage, const smtp::Reply& reply);
  void CountSyntaxErrors(uint32_t count);
  void CountAccepted(size_t content_bytes, size_t recipients, double seconds);
  // One finished message of an ATRN session. `result`: delivered, deferred, rejected, unknown.
  void CountDequeued(absl::string_view result, size_t content_bytes);
  void CountAtrnBegin();
  void CountAtrnEnd(double seconds);

 private:
  template <typename T>
  using Family = prometheus::Family<T>;

  observe::LabelCap listener_labels_;
  Family<prometheus::Counter>& connections_;
  Family<prometheus::Gauge>& open_connections_;
  Family<prometheus::Gauge>& connections_limit_;
  Family<prometheus::Counter>& refused_;
  Family<prometheus::Counter>& lost_;
  Family<prometheus::Counter>& handshakes_;
  Family<prometheus::Counter>& auth_attempts_;
  Family<prometheus::Counter>& rejections_;
  Family<prometheus::Counter>& messages_;
  Family<prometheus::Histogram>& session_seconds_;
  Family<prometheus::Counter>& dequeued_;
  Family<prometheus::Gauge>& certificate_end_;
  prometheus::Counter& uncounted_;
  std::array<prometheus::Counter*, std::size(kStages)> lost_by_stage_;
  prometheus::Histogram& message_bytes_;
  prometheus::Histogram& message_recipients_;
  prometheus::Histogram& accept_seconds_;
  prometheus::Counter& dequeued_bytes_;
  prometheus::Gauge& atrn_sessions_;
  prometheus::Histogram& atrn_seconds_;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_METRICS_H_
