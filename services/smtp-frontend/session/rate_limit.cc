#include "services/smtp-frontend/session/rate_limit.h"

#include <algorithm>
#include <utility>

namespace turnpike::frontend {
namespace {

constexpr size_t kIpv4PrefixBits = 32;
constexpr size_t kIpv6PrefixBits = 64;
// A table that is full is looked through no more often.
constexpr absl::Duration kSweepInterval = absl::Seconds(1);

}  // namespace

net::IpNetwork ClientNetwork(const net::IpAddress& address) {
  return net::IpNetwork::Around(address, address.is_v4() ? kIpv4PrefixBits : kIpv6PrefixBits);
}

void RateLimit::SetOptions(Options options) {
  absl::MutexLock lock(&mu_);
  options_ = std::move(options);
}

absl::Time RateLimit::After(absl::Time bucket, uint32_t max, absl::Time now) const {
  return std::max(bucket, now) + options_.period / max;
}

bool RateLimit::HasRoom(absl::Time now) {
  if (clients_.size() < options_.clients_max) return true;
  if (now < sweep_time_) return false;
  sweep_time_ = now + kSweepInterval;
  absl::erase_if(clients_, [now](const auto& client) { return client.second <= now; });
  return clients_.size() < options_.clients_max;
}

bool RateLimit::Take(const net::IpAddress& address, absl::Time now) {
  absl::MutexLock lock(&mu_);
  if (options_.per_client_max == 0 && options_.all_max == 0) return true;
  const bool is_exempt =
      std::any_of(options_.exempt.begin(), options_.exempt.end(),
                  [&](const net::IpNetwork& network) { return network.Contains(address); });
  if (is_exempt) return true;
  absl::Time all = all_;
  if (options_.all_max > 0) {
    all = After(all_, options_.all_max, now);
    if (IsTooMuch(all, now)) return false;
  }
  if (options_.per_client_max > 0) {
    const net::IpNetwork client = ClientNetwork(address);
    const auto known = clients_.find(client);
    if (known != clients_.end()) {
      const absl::Time after = After(known->second, options_.per_client_max, now);
      if (IsTooMuch(after, now)) return false;
      known->second = after;
    } else if (HasRoom(now)) {
      clients_[client] = After(absl::InfinitePast(), options_.per_client_max, now);
    } else if (options_.on_uncounted) {
      options_.on_uncounted();
    }
  }
  all_ = all;
  return true;
}

size_t RateLimit::client_count() const {
  absl::MutexLock lock(&mu_);
  return clients_.size();
}

}  // namespace turnpike::frontend
