// How many connections may be open, and how many may come in a minute: in all, and from one client.
// (PL-6)
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_CONNECTION_LIMITS_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_CONNECTION_LIMITS_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/net/ip.h"
#include "services/smtp-frontend/session/rate_limit.h"

namespace turnpike::frontend {

// Thread-safe. Outlives its admissions.
class ConnectionLimits {
 public:
  struct Options {
    uint32_t connections_max = 0;
    // A client is an IPv4 address, or an IPv6 /64: a single customer has that many addresses.
    uint32_t connections_per_address_max = 0;
    RateLimit::Options rate;  // of new connections
  };
  enum class Refusal { kConnections, kAddress, kRate };

  // A counted connection; ends with this object.
  class Admission {
   public:
    Admission(Admission&& other) noexcept
        : limits_(std::exchange(other.limits_, nullptr)), client_(other.client_) {}
    Admission& operator=(Admission&&) = delete;
    ~Admission() {
      if (limits_ != nullptr) limits_->Leave(client_);
    }

   private:
    friend class ConnectionLimits;
    Admission(ConnectionLimits* limits, std::optional<net::IpNetwork> client)
        : limits_(limits), client_(std::move(client)) {}

    ConnectionLimits* limits_;
    std::optional<net::IpNetwork> client_;  // unset before Identify
  };

  ConnectionLimits() = default;  // nobody is admitted
  explicit ConnectionLimits(const Options& options) { SetOptions(options); }
  ConnectionLimits(const ConnectionLimits&) = delete;
  ConnectionLimits& operator=(const ConnectionLimits&) = delete;

  // For what comes from now on. Connections that are there stay, and count.
  void SetOptions(const Options& options);

  std::variant<Admission, Refusal> Admit(const net::IpAddress& client, absl::Time now);

  // For a connection whose client is not known yet: it counts in all only, until Identify says who
  // it is, once. A refusal leaves it as it was.
  std::variant<Admission, Refusal> AdmitUnknown();
  std::optional<Refusal> Identify(const net::IpAddress& client, absl::Time now,
                                  Admission* admission);

  uint32_t connection_count() const;

 private:
  // Nothing: the client is counted.
  std::optional<Refusal> CountClient(const net::IpAddress& address, const net::IpNetwork& client,
                                     absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Leave(const std::optional<net::IpNetwork>& client);

  mutable absl::Mutex mu_;
  RateLimit rate_;
  uint32_t connections_max_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t connections_per_address_max_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t count_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<net::IpNetwork, uint32_t> count_by_client_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_CONNECTION_LIMITS_H_
