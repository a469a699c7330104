// Who may ask for a gateway's mail: `gateway access list|add|remove`. (DQ-42)
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/base/status_macros.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

namespace v1 = dequeue::v1;

constexpr char kService[] = "turnpike.dequeue.v1.DequeueService.";

const View& AccessView() {
  static const auto* const kView = new View{.name = "network",
                                            .columns = {{"LIST", "list"},
                                                        {"NETWORK", "network"},
                                                        {"CONFIGURED", "configured"},
                                                        {"ADDED", "add_time", Format::kAge}}};
  return *kView;
}

v1::AccessList ListOf(const Invocation& invocation) {
  return invocation.Get("LIST") == "honor" ? v1::ACCESS_LIST_HONOR : v1::ACCESS_LIST_IGNORE;
}

absl::Status ListAccess(const Invocation& invocation, Context& context) {
  v1::GetGatewayRequest request;
  request.set_domain(invocation.Get("DOMAIN"));
  v1::GetGatewayResponse response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call(absl::StrCat(kService, "GetGateway"), request, response));
  for (const v1::AccessEntry& entry : response.gateway().access()) {
    context.printer().Row(AccessView(), ToValue(entry));
  }
  context.printer().End(AccessView());
  return absl::OkStatus();
}

// Request and Response are those of AddAccessEntry or of RemoveAccessEntry.
template <typename Request, typename Response>
absl::Status Change(const char* method, const char* done, const Invocation& invocation,
                    Context& context) {
  Request request;
  request.set_domain(invocation.Get("DOMAIN"));
  request.set_list(ListOf(invocation));
  request.set_network(invocation.Get("NETWORK"));
  Response response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call(absl::StrCat(kService, method), request, response));
  context.printer().Done(
      absl::StrCat(Printable(request.domain()), ": ", Printable(request.network()), done,
                   invocation.Get("LIST"), " list"),
      ToValue(response.gateway()));
  return absl::OkStatus();
}

std::vector<Argument> EntryArguments() {
  return {GatewayArgument(),
          {.name = "LIST",
           .help = "who alone is honoured, or who is ignored",
           .choices = {"honor", "ignore"}},
          {.name = "NETWORK", .help = "192.0.2.1, 192.0.2.0/24, 2001:db8::/32"}};
}

}  // namespace

std::vector<Command> GatewayAccessCommands() {
  return {
      {.path = "gateway access list",
       .summary = "who may ask for a gateway's mail",
       .details = "Lists the networks whose requests are honoured or ignored: those of the "
                  "configuration and those added while running. With nobody to honour, all are.",
       .arguments = {GatewayArgument()},
       .run = ListAccess},
      {.path = "gateway access add",
       .summary = "honour or ignore a network, from now on",
       .details = "Adds a network without a restart; running sessions stay. Survives restarts.",
       .arguments = EntryArguments(),
       .run =
           [](const Invocation& invocation, Context& context) {
             return Change<v1::AddAccessEntryRequest, v1::AddAccessEntryResponse>(
                 "AddAccessEntry", " is on the ", invocation, context);
           }},
      {.path = "gateway access remove",
       .summary = "take a network off a list",
       .details = "Removes a network that was added while running. One that the configuration has "
                  "is changed there.",
       .arguments = EntryArguments(),
       .run =
           [](const Invocation& invocation, Context& context) {
             return Change<v1::RemoveAccessEntryRequest, v1::RemoveAccessEntryResponse>(
                 "RemoveAccessEntry", " is no longer on the ", invocation, context);
           }},
  };
}

}  // namespace turnpike::ctl
