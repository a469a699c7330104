// The queues of the spool: `queue list|describe|release|hold|retry|return|delete`. (DL-43)
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/base/message_id.h"
#include "services/common/base/status_macros.h"
#include "services/common/spooled/queue_text.h"
#include "services/spool-store/client/queue_sums.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/delivery_changes.h"
#include "services/turnpikectl/commands/listing.h"
#include "services/turnpikectl/commands/over_shards.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/places.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

namespace v1 = spool::v1;

constexpr char kService[] = "turnpike.spool.v1.SpoolService.";

const View& QueueView() {
  static const auto* const kView =
      new View{.name = "queue",
               .columns = {{"QUEUE", "queue"},
                           {"HELD", "held"},
                           {"READY", "ready"},
                           {"DEFERRED", "deferred"},
                           {"LEASED", "leased"},
                           {"BYTES", "bytes", Format::kBytes},
                           {"OLDEST", "oldest_time", Format::kRoughAge},
                           {"NEXT", "next_attempt_time", Format::kUntil},
                           {"RELEASED", "last_release_time", Format::kAge, true},
                           {"ROUTE", "route_text", Format::kText, true}},
               .fields = {{"Queue", "queue"},
                          {"Held", "held"},
                          {"Ready", "ready"},
                          {"Deferred", "deferred"},
                          {"Leased", "leased"},
                          {"Bytes", "bytes", Format::kBytes},
                          {"Oldest", "oldest_time", Format::kRoughTime},
                          {"Next attempt", "next_attempt_time", Format::kTime},
                          {"Last release", "last_release_time", Format::kTime},
                          {"Route", "route_text"}}};
  return *kView;
}

// With the route in the form in which operators write it.
Value QueueValue(const v1::QueueStats& stats) {
  Value value = ToValue(stats);
  value.Set("route_text", stats.has_route() ? Value(RouteText(stats.route())) : Value());
  return value;
}

absl::Status ListQueues(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const int64_t limit,
                            invocation.Number("--limit", 1000, 0, 1'000'000'000));
  v1::ListQueuesRequest request;
  if (invocation.Get("--kind") == "gateway") request.set_kind(v1::QUEUE_KIND_GATEWAY);
  if (invocation.Get("--kind") == "remote") request.set_kind(v1::QUEUE_KIND_REMOTE);
  if (invocation.Get("--kind") == "local") request.set_kind(v1::QUEUE_KIND_LOCAL);
  v1::ListQueuesResponse response;
  const Listing listing = {absl::StrCat(kService, "ListQueues"), "queues", request, response};
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards,
                            ChooseShards(invocation, context));
  if (shards.size() == 1) {
    return PrintListing(context, QueueView(), listing, limit,
                        [](const google::protobuf::Message& stats) {
                          return QueueValue(static_cast<const v1::QueueStats&>(stats));
                        },
                        {.target = shards[0].target});
  }
  // Each shard has a part of any queue.
  std::map<std::pair<std::string, int>, v1::QueueStats> sums;
  TURNPIKE_RETURN_IF_ERROR(AskEach(context, shards, [&](const ShardPlace& shard) {
    return ForEach(context.caller(), listing, {.target = shard.target},
                   [&](const google::protobuf::Message& element) {
                     const auto& stats = static_cast<const v1::QueueStats&>(element);
                     spool::AddStats(stats, &sums[{stats.queue().name(), stats.queue().kind()}]);
                     return true;
                   });
  }));
  std::vector<Value> rows;
  for (const auto& [name, stats] : sums) rows.push_back(QueueValue(stats));
  PrintRows(context, QueueView(), std::move(rows), limit);
  return absl::OkStatus();
}

absl::Status DescribeQueue(const Invocation& invocation, Context& context) {
  v1::GetQueueRequest request;
  TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_queue(), ParseQueue(invocation.Get("QUEUE")));
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards,
                            ChooseShards(invocation, context));
  v1::QueueStats sum;
  TURNPIKE_RETURN_IF_ERROR(AskEach(context, shards, [&](const ShardPlace& shard) {
    v1::GetQueueResponse response;
    TURNPIKE_RETURN_IF_ERROR(context.caller().Call(absl::StrCat(kService, "GetQueue"), request,
                                                   response, {.target = shard.target}));
    spool::AddStats(response.stats(), &sum);
    return absl::OkStatus();
  }));
  // The store names no queue that it has never used.
  if (!sum.has_queue()) *sum.mutable_queue() = request.queue();
  context.printer().One(QueueView(), QueueValue(sum));
  return absl::OkStatus();
}

absl::Status ReleaseQueue(const Invocation& invocation, Context& context) {
  v1::ReleaseQueueRequest request;
  request.set_request_id(base::MessageId::Generate(absl::Now()).ToString());
  TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_queue(), ParseQueue(invocation.Get("QUEUE")));
  if (invocation.Has("--to")) {
    TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_route(), ParseRoute(invocation.Get("--to")));
  }
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards, AllShards(context));
  v1::ReleaseQueueResponse response;  // of all of them
  TURNPIKE_RETURN_IF_ERROR(AskEach(context, shards, [&](const ShardPlace& shard) {
    v1::ReleaseQueueResponse part;
    TURNPIKE_RETURN_IF_ERROR(context.caller().Call(absl::StrCat(kService, "ReleaseQueue"), request,
                                                   part, {.target = shard.target}));
    response.set_released(response.released() + part.released());
    response.set_pending(response.pending() + part.pending());
    return absl::OkStatus();
  }));
  context.printer().Done(absl::StrCat(spool::QueueText(request.queue()), ": ",
                                      ReleaseText(response.released(), response.pending())),
                         ToValue(response));
  return absl::OkStatus();
}

Argument QueueArgument() {
  return {.name = "QUEUE",
          .help = "gateway/customer.example, remote/example.org or local/example.net",
          .completed_by = "queue list"};
}

// A change to all that a queue has at this moment.
Command Verb(std::string path, std::string summary, std::string details, std::vector<Flag> flags,
             std::function<DeliveryChange(const Invocation&)> make_change) {
  flags.push_back(DryRunFlag());
  return {.path = std::move(path),
          .summary = std::move(summary),
          .details = std::move(details),
          .arguments = {QueueArgument()},
          .flags = std::move(flags),
          .run = [make_change = std::move(make_change)](const Invocation& invocation,
                                                        Context& context) -> absl::Status {
            v1::ListDeliveriesRequest filter;
            TURNPIKE_ASSIGN_OR_RETURN(*filter.mutable_queue(), ParseQueue(invocation.Get("QUEUE")));
            TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards, AllShards(context));
            TURNPIKE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids,
                                      FindDeliveries(context, shards, filter));
            return ChangeDeliveries(context, make_change(invocation), ids,
                                    invocation.Has("--dry-run"));
          }};
}

}  // namespace

std::vector<Command> QueueCommands() {
  return {
      {.path = "queue list",
       .summary = "what waits for which domain",
       .details = "Lists the queues of the spool with what they have in each state.",
       .flags = {{.name = "--kind",
                  .value = "KIND",
                  .help = "only these",
                  .choices = {"gateway", "remote", "local"}},
                 ShardFlag(),
                 LimitFlag()},
       .alias = "queues",
       .run = ListQueues},
      {.path = "queue describe",
       .summary = "the figures of one queue",
       .details = "Shows a queue, over all shards. One that was never used has zeros.",
       .arguments = {QueueArgument()},
       .flags = {ShardFlag()},
       .run = DescribeQueue},
      {.path = "queue release",
       .summary = "make what is held due",
       .details = "Releases all that a queue holds at this moment, and makes due what was released "
                  "before. For a gateway with its rules and its route use `gateway release`.",
       .arguments = {QueueArgument()},
       .flags = {{.name = "--to",
                  .value = "ROUTE",
                  .help = "from now on the queue's route: example.org (its MX hosts), "
                          "[mx.example.org], 192.0.2.1; with :PORT if wanted, and lmtp: before it "
                          "for LMTP"}},
       .run = ReleaseQueue},
      Verb("queue hold", "hold what a queue has",
           "Holds all deliveries that the queue has at this moment; later ones are not held.", {},
           [](const Invocation&) { return HoldChange(); }),
      Verb("queue retry", "try what a queue has now",
           "Makes all deliveries of the queue due at once, held ones too.", {},
           [](const Invocation&) { return RetryChange(); }),
      Verb("queue return", "return what a queue has to its senders",
           "Returns all deliveries of the queue with delivery status notifications. Asks when they "
           "are more than one.",
           {{.name = "--reason", .value = "TEXT", .help = "what the reports say"}},
           [](const Invocation& invocation) { return ReturnChange(invocation.Get("--reason")); }),
      Verb("queue delete", "drop what a queue has without a word",
           "Deletes all deliveries of the queue; their senders hear nothing. Asks when they are "
           "more "
           "than one.",
           {}, [](const Invocation&) { return DeleteChange(); }),
  };
}

}  // namespace turnpike::ctl
