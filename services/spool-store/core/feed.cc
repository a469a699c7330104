#include "services/spool-store/core/feed.h"

#include <iterator>

namespace turnpike::spool {

void Feed::Offer(const Position& position, const DeliveryFacts& facts) {
  if (cursor_.has_value() && position <= *cursor_) {
    window_.emplace(position, facts);
    Trim();
    return;
  }
  if (refilling_ && (!disturbed_.has_value() || position < *disturbed_)) disturbed_ = position;
  if (has_more_ || refilling_ || window_.size() >= kWindowMax) {
    has_more_ = true;
    return;
  }
  // Nothing else is beyond the cursor, so it can move up to this one.
  window_.emplace(position, facts);
  cursor_ = position;
}

void Feed::Trim() {
  if (window_.size() <= 2 * kWindowMax) return;
  auto first_dropped = std::next(window_.begin(), kWindowMax);
  window_.erase(first_dropped, window_.end());
  cursor_ = std::prev(window_.end())->first;
  has_more_ = true;
  trimmed_ = true;
}

std::optional<Position> Feed::BeginRefill() {
  refilling_ = true;
  trimmed_ = false;
  disturbed_ = std::nullopt;
  return cursor_;
}

void Feed::EndRefill(const std::vector<Entry>& scanned, bool reached_end,
                     const std::function<bool(const Position&)>& is_free) {
  refilling_ = false;
  if (trimmed_) return;  // the scan began too far behind; there is work in the window
  bool all_taken = true;
  for (const Entry& entry : scanned) {
    // What was offered meanwhile may be missing from the scan; it must stay beyond the cursor.
    if (disturbed_.has_value() && entry.first >= *disturbed_) {
      all_taken = false;
      break;
    }
    cursor_ = entry.first;
    if (is_free(entry.first)) window_.emplace(entry.first, entry.second);
  }
  has_more_ = !reached_end || !all_taken || disturbed_.has_value();
}

}  // namespace turnpike::spool
