#include "services/turnpikectl/commands/over_shards.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/spool-store/client/shard_id.h"

namespace turnpike::ctl {

Flag ShardFlag() {
  return {.name = "--shard",
          .value = "N",
          .help = "only of this shard of the spool (default all)",
          .completed_by = "shard list"};
}

absl::StatusOr<std::vector<ShardPlace>> AllShards(Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<std::string> targets,
                            context.caller().TargetsOf("turnpike.spool.v1.ShardService.GetShard"));
  std::vector<ShardPlace> shards;
  for (const std::string& target : targets) {
    shards.push_back({.number = shards.size(), .target = target});
  }
  return shards;
}

absl::StatusOr<std::vector<ShardPlace>> ChooseShards(const Invocation& invocation,
                                                     Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(std::vector<ShardPlace> shards, AllShards(context));
  if (!invocation.Has("--shard")) return shards;
  TURNPIKE_ASSIGN_OR_RETURN(
      const int64_t number,
      invocation.Number("--shard", 0, 0, static_cast<int64_t>(shards.size()) - 1));
  return std::vector<ShardPlace>{shards[static_cast<size_t>(number)]};
}

absl::StatusOr<std::string> TargetOfDelivery(Context& context, uint64_t delivery_id) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards, AllShards(context));
  if (shards.size() == 1) return shards[0].target;
  const size_t number = spool::ShardOf(delivery_id);
  if (number < shards.size()) return shards[number].target;
  return absl::NotFoundError(absl::StrCat("delivery ", delivery_id, " is of shard ", number,
                                          ", and only ", shards.size(), " are named"));
}

absl::Status AskEach(Context& context, const std::vector<ShardPlace>& shards,
                     const std::function<absl::Status(const ShardPlace& shard)>& ask) {
  std::vector<absl::Status> failures;
  for (const ShardPlace& shard : shards) {
    absl::Status status = ask(shard);
    if (!status.ok()) failures.push_back(std::move(status));
  }
  if (!failures.empty() && failures.size() == shards.size()) return failures.front();
  for (const absl::Status& failure : failures) {
    context.Note(failure.message());
    context.SetPartlyDone();
  }
  return absl::OkStatus();
}

}  // namespace turnpike::ctl
