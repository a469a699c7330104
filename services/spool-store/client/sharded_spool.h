// Several stores as one spool (PL-24).
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARDED_SPOOL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARDED_SPOOL_H_

#include <memory>

#include "services/common/base/clock.h"
#include "services/spool-store/client/shard.h"
#include "services/spool-store/client/shard_enqueuer.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::spool {

// New messages go to shards that take them (shard_enqueuer.h), what is about a delivery to the
// shard that its id names, leases come from all (due_leases.h, queue_leases.h), releases go to all,
// figures are added up. A shard that is away delays only its own mail. `shards`: at least one, at
// most kShardsMax. `clock` outlives the spool.
std::unique_ptr<Spool> CreateShardedSpool(Shards shards, const ShardEnqueuer::Options& options,
                                          const base::Clock& clock);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARDED_SPOOL_H_
