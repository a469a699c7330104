// Which shard a store is.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_SHARD_NUMBER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_SHARD_NUMBER_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace turnpike::spool {

// `flag` is what --shard says. Without it: 0 for a store alone (`shards`, the size of spool.shards,
// is 0 or 1), else the number at the end of the machine's name (`turnpike-spool-store-2`).
// INVALID_ARGUMENT, saying what to do: no number is known, or it is none of the configured shards.
absl::StatusOr<uint32_t> FindShardNumber(std::optional<uint32_t> flag, int shards,
                                         absl::string_view host_name);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_SHARD_NUMBER_H_
