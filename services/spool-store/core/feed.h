// The head of one section of a queue's index, kept in memory so that work can be handed out without
// reading the disk for each delivery.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_FEED_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_FEED_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "services/spool-store/core/index_key.h"

namespace turnpike::spool {

// Invariant: every free (not leased) entry up to the cursor is in the window; entries beyond it are
// on disk only. The window is bounded; when it overflows, its end goes back to being on disk only.
// A scan starts behind the cursor, so it never walks over what was deleted before it.
//
// Thread-compatible.
class Feed {
 public:
  using Entry = std::pair<Position, DeliveryFacts>;
  static constexpr size_t kWindowMax = 256;

  // A free entry is now at `position`: new, moved there, or no longer leased.
  void Offer(const Position& position, const DeliveryFacts& facts);
  // It is free no longer. Needs not be in the window.
  void Erase(const Position& position) { window_.erase(position); }

  // The first free entry; nullptr when the window is empty.
  const Entry* head() {
    if (window_.empty()) return nullptr;
    head_ = *window_.begin();
    return &head_;
  }

  // Whether there may be entries beyond the cursor.
  bool has_more() const { return has_more_; }

  // A scan of the disk, outside of the lock: from behind the returned position (from the section's
  // beginning without one) up to kWindowMax entries. One at a time.
  bool is_refilling() const { return refilling_; }
  std::optional<Position> BeginRefill();
  // `reached_end`: there were no more. `is_free` says whether an entry may be handed out.
  void EndRefill(const std::vector<Entry>& scanned, bool reached_end,
                 const std::function<bool(const Position&)>& is_free);

 private:
  void Trim();

  absl::btree_map<Position, DeliveryFacts> window_;
  std::optional<Position> cursor_;
  bool has_more_ = false;
  bool refilling_ = false;
  std::optional<Position> disturbed_;  // smallest offer beyond the cursor while refilling
  bool trimmed_ = false;               // the cursor went back while refilling
  Entry head_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_FEED_H_
