// Where mail goes: `route explain`, `destination list`. (DL-43)
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protos/turnpike/delivery/v1/delivery.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/spooled/queue_text.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/listing.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/places.h"

namespace turnpike::ctl {
namespace {

namespace v1 = delivery::v1;

const View& DestinationView() {
  static const auto* const kView =
      new View{.name = "queue",
               .columns = {{"QUEUE", "queue"},
                           {"CONNECTIONS", "connections"},
                           {"WAITING", "waiting"},
                           {"FAILED", "last_failure_time", Format::kAge},
                           {"LAST FAILURE", "last_failure", Format::kReply},
                           {"WORKER", "target", Format::kText, true}}};
  return *kView;
}

const View& RouteView() {
  static const auto* const kView =
      new View{.name = "queue",
               .columns = {},
               .fields = {{"Queue", "queue"}, {"Failure", "failure", Format::kReply}},
               .sections = {{"Hosts, in order",
                             "hops",
                             {{"HOST", "host"},
                              {"ADDRESS", "address"},
                              {"PORT", "port"},
                              {"PREFERENCE", "preference"},
                              {"LMTP", "lmtp"}}}}};
  return *kView;
}

absl::Status ExplainRoute(const Invocation& invocation, Context& context) {
  const std::string name = invocation.Get("DOMAIN");
  const std::string queue = absl::StrContains(name, '/') ? name : absl::StrCat("remote/", name);
  v1::ExplainRouteRequest request;
  TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_queue(), ParseQueue(queue));
  if (invocation.Has("--to")) {
    TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_route(), ParseRoute(invocation.Get("--to")));
  }
  v1::ExplainRouteResponse response;
  TURNPIKE_RETURN_IF_ERROR(context.caller().Call(
      "turnpike.delivery.v1.DeliveryService.ExplainRoute", request, response));
  Value value;
  value.Set("queue", spool::QueueText(request.queue()));
  const Value answer = ToValue(response);
  for (const Value::Member& member : *answer.object()) value.Set(member.name, member.value);
  context.printer().One(RouteView(), value);
  return absl::OkStatus();
}

absl::Status ListDestinations(const Invocation&, Context& context) {
  v1::ListDestinationsRequest request;
  v1::ListDestinationsResponse response;
  return PrintListingOfEach(
      context, DestinationView(),
      {"turnpike.delivery.v1.DeliveryService.ListDestinations", "destinations", request, response});
}

}  // namespace

std::vector<Command> DeliveryCommands() {
  return {
      {.path = "route explain",
       .summary = "where mail for a domain would go now",
       .details = "Shows the hosts that mail would be offered to, in order, by configuration and "
                  "DNS; or the reply that it would get when there is none. Sends nothing.",
       .arguments = {{.name = "DOMAIN", .help = "a domain (remote), or a queue: gateway/DOMAIN"}},
       .flags = {{.name = "--to",
                  .value = "ROUTE",
                  .help = "as if it were sent there: example.org, [mx.example.org], 192.0.2.1"}},
       .run = ExplainRoute},
      {.path = "destination list",
       .summary = "what the delivery workers are busy with",
       .details = "Lists the destinations that the delivery workers have work or connections for.",
       .alias = "destinations",
       .run = ListDestinations},
  };
}

}  // namespace turnpike::ctl
