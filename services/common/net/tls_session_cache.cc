#include "services/common/net/tls_session_cache.h"

#include <openssl/ssl.h>

namespace turnpike::net {

void TlsSessionDeleter::operator()(ssl_session_st* session) const { SSL_SESSION_free(session); }

void TlsSessionCache::Put(const std::string& key, SavedTlsSession session) {
  absl::MutexLock lock(&mu_);
  if (const auto it = entries_.find(key); it != entries_.end()) by_age_.erase(it->second);
  by_age_.emplace_front(key, std::move(session));
  entries_[key] = by_age_.begin();
  if (entries_.size() <= sessions_max_) return;
  entries_.erase(by_age_.back().first);
  by_age_.pop_back();
}

SavedTlsSession TlsSessionCache::Take(const std::string& key) {
  absl::MutexLock lock(&mu_);
  const auto it = entries_.find(key);
  if (it == entries_.end()) return nullptr;
  SavedTlsSession session = std::move(it->second->second);
  by_age_.erase(it->second);
  entries_.erase(it);
  return session;
}

size_t TlsSessionCache::size() const {
  absl::MutexLock lock(&mu_);
  return entries_.size();
}

}  // namespace turnpike::net
