// Where mail goes: `route explain`, `destination list`. (DL-43)
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "protos/turnpike/delivery/v1/delivery.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/routing/domain_classes.h"
#include "services/common/smtp/domain_name.h"
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
  static const auto* const kView = new View{
      .name = "queue",
      .columns = {},
      .fields = {{"Queue", "queue"}, {"Held", "held"}, {"Failure", "failure", Format::kReply}},
      .sections = {{"Hosts, in order",
                    "hops",
                    {{"HOST", "host"},
                     {"ADDRESS", "address"},
                     {"PORT", "port"},
                     {"PREFERENCE", "preference"},
                     {"LMTP", "lmtp"}}}}};
  return *kView;
}

// A queue as it is written, or that of a domain: the services' own choice where there is a
// configuration to make it from; otherwise a remote one, which is noted.
absl::StatusOr<spool::v1::QueueName> QueueOf(const std::string& name, Context& context) {
  if (absl::StrContains(name, '/')) return ParseQueue(name);
  TURNPIKE_ASSIGN_OR_RETURN(spool::v1::QueueName remote, ParseQueue(absl::StrCat("remote/", name)));
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(remote.name());
  if (!domain.ok()) return remote;
  const absl::StatusOr<config::v1::Config>& config = context.caller().targets().Config();
  if (!config.ok()) {
    context.Note(absl::StrCat(remote.name(),
                              " is taken for a remote domain, as the configuration "
                              "cannot be asked: ",
                              config.status().message()));
    return remote;
  }
  return routing::DomainClasses(*config).PlaceOf(*domain).queue;
}

// The gateway that a queue is of, if the configuration has it; otherwise null.
const config::v1::Gateway* FindGateway(const spool::v1::QueueName& queue, Targets& targets) {
  const absl::StatusOr<config::v1::Config>& config = targets.Config();
  if (!config.ok() || queue.kind() != spool::v1::QUEUE_KIND_GATEWAY) return nullptr;
  for (const config::v1::Gateway& gateway : config->gateways()) {
    const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(gateway.domain());
    if (domain.ok() && domain->ascii() == queue.name()) return &gateway;
  }
  return nullptr;
}

// Where ETRN sends a gateway's mail, if not to whoever asks. (DQ-15)
absl::StatusOr<mail::v1::Route> RouteOf(const config::v1::Etrn& etrn) {
  TURNPIKE_ASSIGN_OR_RETURN(mail::v1::Route route, ParseRoute(etrn.deliver_to()));
  route.set_port(static_cast<int32_t>(etrn.port()));
  route.set_treat_as_foreign(etrn.treat_target_as_foreign());
  return route;
}

// `route` is not set where mail goes to the host that asks.
std::string HeldText(const config::v1::Gateway& gateway, const mail::v1::Route& route) {
  const bool has_route = route.target_case() != mail::v1::Route::TARGET_NOT_SET;
  return absl::StrCat("until ", gateway.domain(), " asks for it (ETRN, ATRN); ",
                      has_route ? absl::StrCat("ETRN and a release send it to ", RouteText(route))
                                : "it goes to the host that asks");
}

absl::Status ExplainRoute(const Invocation& invocation, Context& context) {
  v1::ExplainRouteRequest request;
  TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_queue(), QueueOf(invocation.Get("DOMAIN"), context));
  const config::v1::Gateway* gateway = nullptr;
  bool goes_to_asker = false;
  if (invocation.Has("--to")) {
    TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_route(), ParseRoute(invocation.Get("--to")));
  } else {
    gateway = FindGateway(request.queue(), context.caller().targets());
    goes_to_asker = gateway != nullptr && gateway->etrn().deliver_to() == kRequestingHost;
  }
  if (gateway != nullptr && !goes_to_asker) {
    TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_route(), RouteOf(gateway->etrn()));
  }
  v1::ExplainRouteResponse response;
  if (!goes_to_asker) {
    TURNPIKE_RETURN_IF_ERROR(context.caller().Call(
        "turnpike.delivery.v1.DeliveryService.ExplainRoute", request, response));
  }
  Value value;
  value.Set("queue", spool::QueueText(request.queue()));
  value.Set("held", gateway == nullptr ? Value() : Value(HeldText(*gateway, request.route())));
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
                  "DNS; or the reply that it would get when there is none; of a gateway's, what "
                  "it waits for. Sends nothing. Which domains are local or a gateway's is read in "
                  "the services' configuration; without one each is taken for a remote one.",
       .arguments = {{.name = "DOMAIN", .help = "a domain, or a queue: gateway/DOMAIN"}},
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
