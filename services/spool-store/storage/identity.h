// What makes a store's folder this one and no other.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_IDENTITY_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_IDENTITY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/spool-store/storage/database.h"

namespace turnpike::spool {

struct Identity {
  uint32_t shard = 0;
  std::string id;  // 16 random octets; other shards know our moves by it
};

// Writes down in a new folder which shard's it is, and compares it in any other. Folders of
// versions without shards are of shard 0. FAILED_PRECONDITION, saying what to do: it is another's.
absl::StatusOr<Identity> ClaimIdentity(Database& database, uint32_t shard,
                                       absl::string_view directory);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_IDENTITY_H_
