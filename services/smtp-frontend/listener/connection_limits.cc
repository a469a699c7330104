#include "services/smtp-frontend/listener/connection_limits.h"

namespace turnpike::frontend {

void ConnectionLimits::SetOptions(const Options& options) {
  rate_.SetOptions(options.rate);
  absl::MutexLock lock(&mu_);
  connections_max_ = options.connections_max;
  connections_per_address_max_ = options.connections_per_address_max;
}

std::optional<ConnectionLimits::Refusal> ConnectionLimits::CountClient(
    const net::IpAddress& address, const net::IpNetwork& client, absl::Time now) {
  const auto of_client = count_by_client_.find(client);
  const uint32_t open = of_client == count_by_client_.end() ? 0 : of_client->second;
  if (open >= connections_per_address_max_) return Refusal::kAddress;
  // Who is refused for other reasons uses nothing up.
  if (!rate_.Take(address, now)) return Refusal::kRate;
  ++count_by_client_[client];
  return std::nullopt;
}

std::variant<ConnectionLimits::Admission, ConnectionLimits::Refusal> ConnectionLimits::Admit(
    const net::IpAddress& address, absl::Time now) {
  const net::IpNetwork client = ClientNetwork(address);
  absl::MutexLock lock(&mu_);
  if (count_ >= connections_max_) return Refusal::kConnections;
  const std::optional<Refusal> refusal = CountClient(address, client, now);
  if (refusal.has_value()) return *refusal;
  ++count_;
  return Admission(this, client);
}

std::variant<ConnectionLimits::Admission, ConnectionLimits::Refusal>
ConnectionLimits::AdmitUnknown() {
  absl::MutexLock lock(&mu_);
  if (count_ >= connections_max_) return Refusal::kConnections;
  ++count_;
  return Admission(this, std::nullopt);
}

std::optional<ConnectionLimits::Refusal> ConnectionLimits::Identify(const net::IpAddress& address,
                                                                    absl::Time now,
                                                                    Admission* admission) {
  const net::IpNetwork client = ClientNetwork(address);
  absl::MutexLock lock(&mu_);
  const std::optional<Refusal> refusal = CountClient(address, client, now);
  if (!refusal.has_value()) admission->client_ = client;
  return refusal;
}

void ConnectionLimits::Leave(const std::optional<net::IpNetwork>& client) {
  absl::MutexLock lock(&mu_);
  --count_;
  if (!client.has_value()) return;
  const auto of_client = count_by_client_.find(*client);
  if (--of_client->second == 0) count_by_client_.erase(of_client);
}

uint32_t ConnectionLimits::connection_count() const {
  absl::MutexLock lock(&mu_);
  return count_;
}

}  // namespace turnpike::frontend
