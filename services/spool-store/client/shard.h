// One of several stores, as what is made of all of them sees it.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::spool {

struct Shard {
  std::unique_ptr<Spool> spool;
  // spool->Enqueue without a copy; answers NotSentError for what the store cannot have seen.
  std::function<void(std::shared_ptr<const v1::NewMessage>, absl::Time deadline,
                     Spool::EnqueueCallback done)>
      enqueue;
  // Whether it is connected and answers, so that new mail may be given to it. Cheap; thread-safe.
  std::function<bool()> is_up;
};

// By number.
using Shards = std::vector<Shard>;

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_H_
