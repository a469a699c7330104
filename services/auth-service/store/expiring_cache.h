// Answers of others, for a while.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_STORE_EXPIRING_CACHE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_STORE_EXPIRING_CACHE_H_

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::auth {

// Holds at most `entries_max` (> 0) values; when full, the one that was not looked for for longest
// goes.
//
// Thread-compatible.
template <typename T>
class ExpiringCache {
 public:
  explicit ExpiringCache(size_t entries_max) : entries_max_(entries_max) {}

  std::optional<T> Find(absl::string_view key, absl::Time now) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    if (found->second->expire_time <= now) {
      Erase(found);
      return std::nullopt;
    }
    order_.splice(order_.begin(), order_, found->second);
    return found->second->value;
  }

  // Remembers the value until `expire_time`, in place of an earlier one; not at all if that is over
  // at `now`.
  void Add(absl::string_view key, T value, absl::Time now, absl::Time expire_time) {
    if (const auto known = by_key_.find(key); known != by_key_.end()) Erase(known);
    if (expire_time <= now) return;
    if (order_.size() >= entries_max_) Erase(by_key_.find(order_.back().key));
    order_.push_front({std::string(key), std::move(value), expire_time});
    by_key_.emplace(order_.front().key, order_.begin());
  }

  size_t size() const { return order_.size(); }

 private:
  struct Entry {
    std::string key;
    T value;
    absl::Time expire_time;
  };
  using Entries = absl::flat_hash_map<absl::string_view, typename std::list<Entry>::iterator>;

  void Erase(typename Entries::iterator place) {
    const auto entry = place->second;
    by_key_.erase(place);  // its key is the entry's
    order_.erase(entry);
  }

  const size_t entries_max_;
  std::list<Entry> order_;  // the latest first
  Entries by_key_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_STORE_EXPIRING_CACHE_H_
