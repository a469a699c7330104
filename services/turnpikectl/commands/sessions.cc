// Who is connected: `session list`.
#include "protos/turnpike/frontend/v1/frontend.pb.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/listing.h"

namespace turnpike::ctl {
namespace {

const View& SessionView() {
  static const auto* const kView =
      new View{.name = "session_id",
               .columns = {{"SESSION", "session_id"},
                           {"CLIENT", "client_address"},
                           {"LISTENER", "listener"},
                           {"STAGE", "stage"},
                           {"LOGIN", "login"},
                           {"TLS", "tls"},
                           {"MESSAGES", "messages"},
                           {"AGE", "begin_time", Format::kAge},
                           {"FRONTEND", "target", Format::kText, true}}};
  return *kView;
}

absl::Status ListSessions(const Invocation&, Context& context) {
  frontend::v1::ListSessionsRequest request;
  frontend::v1::ListSessionsResponse response;
  return PrintListingOfEach(
      context, SessionView(),
      {"turnpike.frontend.v1.FrontendService.ListSessions", "sessions", request, response});
}

}  // namespace

std::vector<Command> SessionCommands() {
  return {
      {.path = "session list",
       .summary = "who is connected to us",
       .details = "Lists the SMTP sessions in progress, oldest first, of every frontend that is "
                  "named.",
       .alias = "sessions",
       .run = ListSessions},
  };
}

}  // namespace turnpike::ctl
