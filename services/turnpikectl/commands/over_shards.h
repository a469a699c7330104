// What is asked of all shards of the spool, or of the one that has a delivery.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_OVER_SHARDS_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_OVER_SHARDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/core/command.h"

namespace turnpike::ctl {

// A store alone is shard 0.
struct ShardPlace {
  size_t number = 0;
  std::string target;
};

// `--shard N`
Flag ShardFlag();

// The shards that a command is about: that of --shard, or all. INVALID_ARGUMENT when there is none
// of that number, or nobody says where they are.
absl::StatusOr<std::vector<ShardPlace>> ChooseShards(const Invocation& invocation,
                                                     Context& context);
absl::StatusOr<std::vector<ShardPlace>> AllShards(Context& context);

// Where the store of a delivery is; of one store alone always that one, so that it can be asked by
// itself. NOT_FOUND when no shard of this number is named.
absl::StatusOr<std::string> TargetOfDelivery(Context& context, uint64_t delivery_id);

// Calls `ask` with each, also after one has failed. Failures are noted, and the command is partly
// done; when all fail, the first failure is the answer.
absl::Status AskEach(Context& context, const std::vector<ShardPlace>& shards,
                     const std::function<absl::Status(const ShardPlace& shard)>& ask);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_OVER_SHARDS_H_
