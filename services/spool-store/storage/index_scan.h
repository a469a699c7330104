// Reads the index.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_INDEX_SCAN_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_INDEX_SCAN_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/spool-store/core/feed.h"
#include "services/spool-store/storage/database.h"

namespace turnpike::spool {

struct ScanResult {
  std::vector<Feed::Entry> entries;
  bool reached_end = false;
};

// Up to `count_max` entries of a queue's section, behind `after`, or from the first one on.
absl::StatusOr<ScanResult> ScanSection(Database& database, absl::string_view queue_key,
                                       Section section, const std::optional<Position>& after,
                                       size_t count_max);

// All entries of the index in the order of their keys. Keys that cannot be read are skipped, and
// counted in the result.
absl::StatusOr<int64_t> ScanIndex(
    Database& database,
    const std::function<void(absl::string_view queue_key, const Position&, const DeliveryFacts&)>&
        visit);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_INDEX_SCAN_H_
