#include "services/smtp-frontend/listener/connection_limits.h"

namespace turnpike::frontend {
namespace {

constexpr size_t kIpv6PrefixBits = 64;

net::IpNetwork ClientOf(const net::IpAddress& address) {
  return net::IpNetwork::Around(address, address.is_v4() ? 32 : kIpv6PrefixBits);
}

}  // namespace

bool ConnectionLimits::CountClient(const net::IpNetwork& client) {
  uint32_t& of_client = count_by_client_[client];  // at least 1 is allowed, so none stays at 0
  if (of_client >= options_.connections_per_address_max) return false;
  ++of_client;
  return true;
}

std::variant<ConnectionLimits::Admission, ConnectionLimits::Refusal> ConnectionLimits::Admit(
    const net::IpAddress& address) {
  const net::IpNetwork client = ClientOf(address);
  absl::MutexLock lock(&mu_);
  if (count_ >= options_.connections_max) return Refusal::kConnections;
  if (!CountClient(client)) return Refusal::kAddress;
  ++count_;
  return Admission(this, client);
}

std::variant<ConnectionLimits::Admission, ConnectionLimits::Refusal>
ConnectionLimits::AdmitUnknown() {
  absl::MutexLock lock(&mu_);
  if (count_ >= options_.connections_max) return Refusal::kConnections;
  ++count_;
  return Admission(this, std::nullopt);
}

std::optional<ConnectionLimits::Refusal> ConnectionLimits::Identify(const net::IpAddress& address,
                                                                    Admission* admission) {
  const net::IpNetwork client = ClientOf(address);
  absl::MutexLock lock(&mu_);
  if (!CountClient(client)) return Refusal::kAddress;
  admission->client_ = client;
  return std::nullopt;
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
