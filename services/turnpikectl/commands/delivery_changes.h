// Changes to many deliveries, one by one: which they are, and what becomes of each.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_DELIVERY_CHANGES_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_DELIVERY_CHANGES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/over_shards.h"
#include "services/turnpikectl/core/command.h"

namespace turnpike::ctl {

// Something that can be done to a delivery.
struct DeliveryChange {
  std::string doing;  // `delete`: of the question, and of what --dry-run says
  std::string done;   // `deleted`
  bool asks = false;  // cannot be undone: asks when it is for more than one
  std::function<void(spool::v1::UpdateDeliveryRequest&)> set;  // all but whose it is
};

// Makes it due at once.
DeliveryChange RetryChange();
DeliveryChange HoldChange();
// Due at once, by this route.
DeliveryChange RerouteChange(const mail::v1::Route& route);
DeliveryChange MoveChange(const spool::v1::QueueName& queue);
// Returned to its sender with `reason` in the report; empty: our words.
DeliveryChange ReturnChange(const std::string& reason);
// Gone, without a word to the sender.
DeliveryChange DeleteChange();

// `--queue`, `--sender`, `--recipient`, `--state`, `--unknown`.
std::vector<Flag> FilterFlags();
// Whether one was given.
bool HasFilter(const Invocation& invocation);
// What they say. INVALID_ARGUMENT.
absl::StatusOr<spool::v1::ListDeliveriesRequest> ReadFilter(const Invocation& invocation);

// The ids of all deliveries of these shards that `filter` selects. Of shards that do not answer
// there are none, and the command is partly done.
absl::StatusOr<std::vector<uint64_t>> FindDeliveries(Context& context,
                                                     const std::vector<ShardPlace>& shards,
                                                     spool::v1::ListDeliveriesRequest filter);

// What arguments name: a delivery's number; a message's UUID, which stands for all deliveries of
// it; `-` for more of them on standard input, separated by blanks or line ends. INVALID_ARGUMENT;
// NOT_FOUND for a message without deliveries.
absl::StatusOr<std::vector<uint64_t>> ReadIds(Context& context,
                                              const std::vector<std::string>& words);

// A store's NOT_FOUND about a delivery, in words.
absl::Status ExplainDelivery(uint64_t id, const absl::Status& status);

// `--dry-run`
Flag DryRunFlag();

// Asks, if the change is one to ask about, changes each, and says what became of them. An error
// when none could be changed; partly done when some could not.
absl::Status ChangeDeliveries(Context& context, const DeliveryChange& change,
                              const std::vector<uint64_t>& ids, bool is_dry_run);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_DELIVERY_CHANGES_H_
