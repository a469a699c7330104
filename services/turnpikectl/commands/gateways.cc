// The gateways: `gateway list|describe|release|suspend|resume`. (DQ-60, DQ-61)
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/base/status_macros.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/listing.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/places.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

namespace v1 = dequeue::v1;

constexpr char kService[] = "turnpike.dequeue.v1.DequeueService.";

const View& GatewayView() {
  static const auto* const kView =
      new View{.name = "domain",
               .columns = {{"GATEWAY", "domain"},
                           {"HELD", "queue.held"},
                           {"READY", "queue.ready", Format::kText, true},
                           {"DEFERRED", "queue.deferred", Format::kText, true},
                           {"LEASED", "queue.leased", Format::kText, true},
                           {"BYTES", "queue.bytes", Format::kBytes},
                           {"OLDEST", "queue.oldest_time", Format::kRoughAge},
                           {"SUSPENDED", "suspended"},
                           {"SESSIONS", "running_sessions", Format::kCount},
                           {"ASKED", "last_request.request_time", Format::kAge},
                           {"BY", "last_request.protocol"},
                           {"FROM", "last_request.client_address"},
                           {"REPLY", "last_request.reply.code"},
                           {"ENDED", "last_request.ending"},
                           {"UNKNOWN", "outcomes_unknown", Format::kText, true},
                           {"ALIASES", "aliases", Format::kText, true}},
               .fields = {{"Gateway", "domain"},
                          {"Aliases", "aliases"},
                          {"ETRN", "etrn_enabled"},
                          {"ATRN", "atrn_enabled"},
                          {"Suspended", "suspended"},
                          {"Suspended since", "suspend_time", Format::kTime},
                          {"Reason", "suspend_reason"},
                          {"Held", "queue.held"},
                          {"Ready", "queue.ready"},
                          {"Deferred", "queue.deferred"},
                          {"Leased", "queue.leased"},
                          {"Bytes", "queue.bytes", Format::kBytes},
                          {"Most messages", "messages_max", Format::kLimit},
                          {"Most bytes", "bytes_max", Format::kBytesLimit},
                          {"Oldest", "queue.oldest_time", Format::kRoughTime},
                          {"Outcome unknown", "outcomes_unknown"},
                          {"Last release", "queue.last_release_time", Format::kTime},
                          {"Last request", "last_request.request_time", Format::kTime},
                          {"  by", "last_request.protocol"},
                          {"  from", "last_request.client_address"},
                          {"  reply", "last_request.reply", Format::kReply},
                          {"  ended", "last_request.end_time", Format::kTime},
                          {"  ending", "last_request.ending"},
                          {"  delivered", "last_request.totals.delivered"},
                          {"  kept", "last_request.totals.kept"},
                          {"  returned", "last_request.totals.returned"}},
               .sections = {{"Running sessions",
                             "running_sessions",
                             {{"SESSION", "session_id"},
                              {"CLIENT", "client_address"},
                              {"AGE", "begin_time", Format::kAge}}},
                            {"Who may ask",
                             "access",
                             {{"LIST", "list"},
                              {"NETWORK", "network"},
                              {"CONFIGURED", "configured"},
                              {"ADDED", "add_time", Format::kTime}}}}};
  return *kView;
}

absl::Status ListGateways(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const int64_t limit,
                            invocation.Number("--limit", 1000, 0, 1'000'000'000));
  v1::ListGatewaysRequest request;
  v1::ListGatewaysResponse response;
  return PrintListing(context, GatewayView(),
                      {absl::StrCat(kService, "ListGateways"), "gateways", request, response},
                      limit);
}

absl::Status DescribeGateway(const Invocation& invocation, Context& context) {
  v1::GetGatewayRequest request;
  request.set_domain(invocation.Get("DOMAIN"));
  v1::GetGatewayResponse response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call(absl::StrCat(kService, "GetGateway"), request, response));
  context.printer().One(GatewayView(), ToValue(response.gateway()));
  return absl::OkStatus();
}

absl::Status ReleaseGateway(const Invocation& invocation, Context& context) {
  v1::ReleaseGatewayRequest request;
  request.set_domain(invocation.Get("DOMAIN"));
  if (invocation.Has("--to")) {
    TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_target(), ParseRoute(invocation.Get("--to")));
  }
  v1::ReleaseGatewayResponse response;
  const absl::Status status =
      context.caller().Call(absl::StrCat(kService, "ReleaseGateway"), request, response);
  // The service speaks of its request; our user has a flag.
  if (absl::IsFailedPrecondition(status) && !request.has_target() &&
      absl::StrContains(status.message(), kRequestingHost)) {
    return absl::FailedPreconditionError(
        absl::StrCat("etrn.deliver_to of ", Printable(request.domain()), " is `", kRequestingHost,
                     "`: say with --to where its mail goes"));
  }
  TURNPIKE_RETURN_IF_ERROR(status);
  context.printer().Done(absl::StrCat(Printable(request.domain()), ": ",
                                      ReleaseText(response.released(), response.pending())),
                         ToValue(response));
  return absl::OkStatus();
}

absl::Status SuspendGateway(const Invocation& invocation, Context& context) {
  v1::SuspendGatewayRequest request;
  request.set_domain(invocation.Get("DOMAIN"));
  request.set_reason(invocation.Get("--reason"));
  v1::SuspendGatewayResponse response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call(absl::StrCat(kService, "SuspendGateway"), request, response));
  context.printer().Done(
      absl::StrCat(Printable(request.domain()), ": suspended; its mail waits until it is resumed"),
      ToValue(response.gateway()));
  return absl::OkStatus();
}

absl::Status ResumeGateway(const Invocation& invocation, Context& context) {
  v1::ResumeGatewayRequest request;
  request.set_domain(invocation.Get("DOMAIN"));
  v1::ResumeGatewayResponse response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call(absl::StrCat(kService, "ResumeGateway"), request, response));
  context.printer().Done(absl::StrCat(Printable(request.domain()), ": resumed"),
                         ToValue(response.gateway()));
  return absl::OkStatus();
}

}  // namespace

Argument GatewayArgument() {
  return {.name = "DOMAIN",
          .help = "the gateway's domain, or one of its aliases",
          .completed_by = "gateway list"};
}

std::vector<Command> GatewayCommands() {
  return {
      {.path = "gateway list",
       .summary = "what is held for whom, and when they asked last",
       .details =
           "Lists the gateways with what is held for each, the age of the oldest message, and "
           "the last request: when it came, from where, how it ended.",
       .flags = {LimitFlag()},
       .alias = "gateways",
       .run = ListGateways},
      {.path = "gateway describe",
       .summary = "all about one gateway",
       .details = "Shows a gateway with its last request, its running sessions and who may ask.",
       .arguments = {GatewayArgument()},
       .run = DescribeGateway},
      {.path = "gateway release",
       .summary = "send what is held, as its ETRN would",
       .details =
           "Releases all that is held for a gateway at this moment, as its ETRN would. It is "
           "delivered over new connections to where etrn.deliver_to says, or --to.",
       .arguments = {GatewayArgument()},
       .flags = {{.name = "--to",
                  .value = "ROUTE",
                  .help = "deliver there: example.org (its MX hosts), [mx.example.org], 192.0.2.1; "
                          "with :PORT if wanted, and lmtp: before it for LMTP"}},
       .run = ReleaseGateway},
      {.path = "gateway suspend",
       .summary = "honour no request until it is resumed",
       .details =
           "No ETRN, ATRN or interval of the gateway is honoured until it is resumed. Running "
           "sessions end after the message in progress; mail is still taken and held. Survives "
           "restarts.",
       .arguments = {GatewayArgument()},
       .flags = {{.name = "--reason", .value = "TEXT", .help = "shown to other operators"}},
       .run = SuspendGateway},
      {.path = "gateway resume",
       .summary = "end a suspension",
       .details = "Honours the gateway's requests again.",
       .arguments = {GatewayArgument()},
       .run = ResumeGateway},
  };
}

}  // namespace turnpike::ctl
