#include "services/spool-store/storage/identity.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "rocksdb/write_batch.h"
#include "services/common/base/random.h"
#include "services/common/base/status_macros.h"
#include "services/spool-store/storage/committer.h"

namespace turnpike::spool {
namespace {

constexpr absl::string_view kShardKey = "shard";
constexpr absl::string_view kIdKey = "store_id";
constexpr size_t kIdBytes = 16;

}  // namespace

absl::StatusOr<Identity> ClaimIdentity(Database& database, uint32_t shard,
                                       absl::string_view directory) {
  Identity identity{.shard = shard};
  std::string value;
  absl::Status status = database.Get(database.meta(), kShardKey, &value);
  uint32_t recorded = shard;
  if (status.ok()) {
    if (!absl::SimpleAtoi(value, &recorded)) return absl::DataLossError("shard is no number");
  } else if (!absl::IsNotFound(status)) {
    return status;
  } else {
    const absl::Status used = database.Get(database.meta(), kReservedIdsKey, &value);
    if (used.ok()) recorded = 0;
    if (!used.ok() && !absl::IsNotFound(used)) return used;
  }
  if (recorded != shard) {
    return absl::FailedPreconditionError(
        absl::StrCat("the spool in ", directory, " is that of shard ", recorded,
                     ", and this store is shard ", shard, ": start it with --shard ", recorded,
                     " (or on the machine whose name ends in it), or give shard ", shard,
                     " a folder of its own"));
  }
  status = database.Get(database.meta(), kIdKey, &identity.id);
  if (status.ok()) return identity;
  if (!absl::IsNotFound(status)) return status;
  identity.id.resize(kIdBytes);
  base::FillRandom(
      absl::MakeSpan(reinterpret_cast<uint8_t*>(identity.id.data()), identity.id.size()));
  rocksdb::WriteBatch batch;
  batch.Put(database.meta(), ToSlice(kShardKey), absl::StrCat(shard));
  batch.Put(database.meta(), ToSlice(kIdKey), identity.id);
  rocksdb::WriteOptions sync;
  sync.sync = true;
  TURNPIKE_RETURN_IF_ERROR(FromRocks(database.db().Write(sync, &batch)));
  return identity;
}

}  // namespace turnpike::spool
