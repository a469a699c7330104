#include "services/outbound-delivery/transport/idle_connections.h"

#include <algorithm>
#include <utility>

namespace turnpike::delivery {

std::unique_ptr<IdleConnections::Offer> IdleConnections::Add(Connection connection,
                                                             absl::AnyInvocable<void()> on_taken) {
  std::string host = connection.host;
  uint64_t id = 0;
  {
    absl::MutexLock lock(&mu_);
    id = ++last_id_;
    entries_[host].push_back(
        {.id = id, .connection = std::move(connection), .on_taken = std::move(on_taken)});
  }
  return std::make_unique<Offer>(this, std::move(host), id);
}

bool IdleConnections::Has(const std::string& host) const {
  absl::MutexLock lock(&mu_);
  return entries_.contains(host);
}

std::optional<Connection> IdleConnections::Take(const std::string& host, const std::string& key) {
  std::optional<Entry> taken;
  {
    absl::MutexLock lock(&mu_);
    const auto found = entries_.find(host);
    if (found == entries_.end()) return std::nullopt;
    std::vector<Entry>& entries = found->second;
    const auto it = std::find_if(entries.rbegin(), entries.rend(),
                                 [&](const Entry& entry) { return entry.connection.key == key; });
    if (it == entries.rend()) return std::nullopt;
    taken = std::move(*it);
    entries.erase(std::next(it).base());
    if (entries.empty()) entries_.erase(found);
  }
  taken->on_taken();
  return std::move(taken->connection);
}

std::optional<Connection> IdleConnections::Remove(const std::string& host, uint64_t id) {
  absl::MutexLock lock(&mu_);
  const auto found = entries_.find(host);
  if (found == entries_.end()) return std::nullopt;
  std::vector<Entry>& entries = found->second;
  const auto it = std::find_if(entries.begin(), entries.end(),
                               [&](const Entry& entry) { return entry.id == id; });
  if (it == entries.end()) return std::nullopt;
  Connection connection = std::move(it->connection);
  entries.erase(it);
  if (entries.empty()) entries_.erase(found);
  return connection;
}

size_t IdleConnections::size() const {
  absl::MutexLock lock(&mu_);
  size_t count = 0;
  for (const auto& [host, entries] : entries_) count += entries.size();
  return count;
}

}  // namespace turnpike::delivery
