// Answers of other servers, for a while.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_ANSWER_CACHE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_ANSWER_CACHE_H_

#include <cstddef>
#include <list>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::auth {

// When full, the answer that was not asked for for longest goes.
//
// Thread-compatible.
class AnswerCache {
 public:
  struct Options {
    absl::Duration found_time;      // how long "found" is remembered; 0: not at all
    absl::Duration not_found_time;  // the same for "not found"
    size_t entries_max;             // > 0
  };
  explicit AnswerCache(const Options& options) : options_(options) {}

  std::optional<bool> Find(absl::string_view key, absl::Time now);
  void Add(absl::string_view key, bool is_found, absl::Time now);
  size_t size() const { return order_.size(); }

 private:
  struct Entry {
    std::string key;
    bool is_found;
    absl::Time expire_time;
  };

  const Options options_;
  std::list<Entry> order_;  // the latest first
  absl::flat_hash_map<absl::string_view, std::list<Entry>::iterator> by_key_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_ANSWER_CACHE_H_
