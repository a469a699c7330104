#include "services/auth-service/rpc/exchanges.h"

#include <utility>

namespace turnpike::auth {

bool Exchanges::Put(std::unique_ptr<RunningExchange> exchange, absl::Time now) {
  absl::MutexLock lock(&mu_);
  if (exchanges_.size() >= exchanges_max_) {
    absl::erase_if(exchanges_,
                   [now](const auto& entry) { return now - entry.second->begin_time > kAgeMax; });
    if (exchanges_.size() >= exchanges_max_) return false;
  }
  std::string session_id = exchange->session_id;
  exchanges_[std::move(session_id)] = std::move(exchange);
  return true;
}

std::unique_ptr<RunningExchange> Exchanges::Take(absl::string_view session_id) {
  absl::MutexLock lock(&mu_);
  const auto found = exchanges_.find(session_id);
  if (found == exchanges_.end()) return nullptr;
  std::unique_ptr<RunningExchange> exchange = std::move(found->second);
  exchanges_.erase(found);
  return exchange;
}

size_t Exchanges::size() const {
  absl::MutexLock lock(&mu_);
  return exchanges_.size();
}

}  // namespace turnpike::auth
