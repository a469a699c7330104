// What an operator does to messages: `message retry|hold|reroute|return|delete`. (DL-43)
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/base/status_macros.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/delivery_changes.h"
#include "services/turnpikectl/core/places.h"

namespace turnpike::ctl {
namespace {

using MakeChange = std::function<absl::StatusOr<DeliveryChange>(const Invocation&)>;

// Ids or filters, but one of them: nothing said must not mean everything.
absl::StatusOr<std::vector<uint64_t>> Select(const Invocation& invocation, Context& context) {
  const bool by_filter = HasFilter(invocation) || invocation.Has("--all");
  if (by_filter == invocation.Has("ID")) {
    return absl::InvalidArgumentError(
        "say which: ids, or `-` for ids on standard input; or filters (--queue, --sender, "
        "--recipient, --state, --unknown); or --all");
  }
  if (!by_filter) return ReadIds(context, invocation.All("ID"));
  TURNPIKE_ASSIGN_OR_RETURN(const spool::v1::ListDeliveriesRequest filter, ReadFilter(invocation));
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards,
                            ChooseShards(invocation, context));
  return FindDeliveries(context, shards, filter);
}

Command Verb(std::string path, std::string summary, std::string details, std::vector<Flag> flags,
             MakeChange make_change) {
  for (Flag& flag : FilterFlags()) flags.push_back(std::move(flag));
  flags.push_back(ShardFlag());
  flags.push_back({.name = "--all", .value = "", .help = "all that the spool has"});
  flags.push_back(DryRunFlag());
  return {.path = std::move(path),
          .summary = std::move(summary),
          .details = std::move(details) +
                     " Either ids are given, or filters, which all must hold. A delivery that a "
                     "worker has at this moment cannot be changed.",
          .arguments = {{.name = "ID",
                         .help = "deliveries: numbers, a message's UUID for all of its deliveries, "
                                 "or `-` for ids on standard input",
                         .is_many = true,
                         .is_optional = true,
                         .completed_by = "message list"}},
          .flags = std::move(flags),
          .run = [make_change = std::move(make_change)](const Invocation& invocation,
                                                        Context& context) -> absl::Status {
            TURNPIKE_ASSIGN_OR_RETURN(const DeliveryChange change, make_change(invocation));
            TURNPIKE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, Select(invocation, context));
            return ChangeDeliveries(context, change, ids, invocation.Has("--dry-run"));
          }};
}

absl::StatusOr<DeliveryChange> Reroute(const Invocation& invocation) {
  if (invocation.Has("--to") == invocation.Has("--to-queue")) {
    return absl::InvalidArgumentError("say where to: --to ROUTE or --to-queue QUEUE");
  }
  if (invocation.Has("--to-queue")) {
    TURNPIKE_ASSIGN_OR_RETURN(const spool::v1::QueueName queue,
                              ParseQueue(invocation.Get("--to-queue")));
    return MoveChange(queue);
  }
  TURNPIKE_ASSIGN_OR_RETURN(const mail::v1::Route route, ParseRoute(invocation.Get("--to")));
  return RerouteChange(route);
}

}  // namespace

std::vector<Command> MessageChangeCommands() {
  return {
      Verb("message retry", "try deliveries now",
           "Makes deliveries due at once, held ones too, whatever their schedule says.", {},
           [](const Invocation&) { return RetryChange(); }),
      Verb("message hold", "keep deliveries until they are retried or released",
           "Holds deliveries: nothing is tried and nothing expires until they are retried or "
           "released.",
           {}, [](const Invocation&) { return HoldChange(); }),
      Verb(
          "message reroute", "deliver to another place",
          "Makes deliveries due at once, to another host than the queue or DNS says, or moves them "
          "to another queue. One of --to and --to-queue says where.",
          {{.name = "--to",
            .value = "ROUTE",
            .help = "that host: example.org (its MX hosts), [mx.example.org], 192.0.2.1; with "
                    ":PORT if wanted, and lmtp: before it for LMTP"},
           {.name = "--to-queue", .value = "QUEUE", .help = "that queue, by its own rules"}},
          Reroute),
      Verb("message return", "give up, and tell the sender",
           "Returns deliveries to their senders with a delivery status notification. Asks when it "
           "is "
           "for more than one.",
           {{.name = "--reason", .value = "TEXT", .help = "what the report says"}},
           [](const Invocation& invocation) { return ReturnChange(invocation.Get("--reason")); }),
      Verb("message delete", "drop deliveries without a word",
           "Deletes deliveries; their senders hear nothing. Asks when it is for more than one.", {},
           [](const Invocation&) { return DeleteChange(); }),
  };
}

}  // namespace turnpike::ctl
