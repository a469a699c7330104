// TLS sessions that a client may resume, which saves both sides the key exchange. [RFC8446 2.2]
#ifndef TURNPIKE_SERVICES_COMMON_NET_TLS_SESSION_CACHE_H_
#define TURNPIKE_SERVICES_COMMON_NET_TLS_SESSION_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

struct ssl_session_st;  // OpenSSL's SSL_SESSION

namespace turnpike::net {

struct TlsSessionDeleter {
  void operator()(ssl_session_st* session) const;
};
using SavedTlsSession = std::unique_ptr<ssl_session_st, TlsSessionDeleter>;

// The last session of each server. Thread-safe.
class TlsSessionCache {
 public:
  explicit TlsSessionCache(size_t sessions_max = 10'000) : sessions_max_(sessions_max) {}

  // Keeps `session` in the place of an earlier one; the one kept longest gives way at the limit.
  void Put(const std::string& key, SavedTlsSession session);
  // Null when there is none. A session is given once: what it is resumed to brings its own.
  // [RFC8446 C.4]
  SavedTlsSession Take(const std::string& key);

  size_t size() const;

 private:
  using Entry = std::pair<std::string, SavedTlsSession>;

  const size_t sessions_max_;
  mutable absl::Mutex mu_;
  std::list<Entry> by_age_ ABSL_GUARDED_BY(mu_);  // the newest first
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_TLS_SESSION_CACHE_H_
