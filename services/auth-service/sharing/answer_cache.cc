#include "services/auth-service/sharing/answer_cache.h"

namespace turnpike::auth {

std::optional<bool> AnswerCache::Find(absl::string_view key, absl::Time now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  const auto entry = found->second;
  if (entry->expire_time <= now) {
    by_key_.erase(found);
    order_.erase(entry);
    return std::nullopt;
  }
  order_.splice(order_.begin(), order_, entry);
  return entry->is_found;
}

void AnswerCache::Add(absl::string_view key, bool is_found, absl::Time now) {
  const absl::Duration time = is_found ? options_.found_time : options_.not_found_time;
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    const auto entry = known->second;
    by_key_.erase(known);
    order_.erase(entry);
  }
  if (time <= absl::ZeroDuration()) return;
  if (order_.size() >= options_.entries_max) {
    by_key_.erase(order_.back().key);
    order_.pop_back();
  }
  order_.push_front({std::string(key), is_found, now + time});
  by_key_.emplace(order_.front().key, order_.begin());
}

}  // namespace turnpike::auth
