// What we would say: `explain rcpt`.
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "protos/turnpike/auth/v1/admin.pb.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/base/status_macros.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/core/message_value.h"

namespace turnpike::ctl {
namespace {

const View& VerdictView() {
  static const auto* const kView = new View{.name = "code",
                                            .columns = {},
                                            .fields = {{"Accepted", "accepted"},
                                                       {"Reply", "reply", Format::kReply},
                                                       {"Rule", "rule"},
                                                       {"Queue", "queue"}}};
  return *kView;
}

// Where strangers connect, as the configuration has it.
absl::StatusOr<std::string> UsualListener(Context& context) {
  const absl::StatusOr<config::v1::Config>& config = context.caller().targets().Config();
  if (!config.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("name a listener with --listener; the configuration says none: ",
                     config.status().message()));
  }
  for (const config::v1::Listener& listener : config->smtp().listeners()) {
    if (listener.role() == config::v1::LISTENER_ROLE_SMTP) return listener.name();
  }
  return config->smtp().listeners(0).name();
}

absl::Status ExplainRecipient(const Invocation& invocation, Context& context) {
  auth::v1::ExplainVerdictRequest request;
  request.set_recipient(invocation.Get("RECIPIENT"));
  request.set_return_path(invocation.Get("--from"));
  request.set_client_address(invocation.Has("--client") ? invocation.Get("--client") : "192.0.2.1");
  request.set_listener(invocation.Get("--listener"));
  if (!invocation.Has("--listener")) {
    TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_listener(), UsualListener(context));
  }
  request.set_login(invocation.Get("--login"));
  request.set_tls(invocation.Has("--tls"));
  auth::v1::ExplainVerdictResponse response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call("turnpike.auth.v1.AuthAdminService.ExplainVerdict", request, response));
  Value value = ToValue(response);
  Value reply;
  for (const char* part : {"code", "enhanced_code", "text"}) reply.Set(part, value.At(part));
  value.Set("reply", reply);
  context.printer().One(VerdictView(), value);
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> ExplainCommands() {
  return {
      {.path = "explain rcpt",
       .summary = "would we take mail for an address, and by which rule",
       .details = "Shows the reply that a client would get to RCPT, the rule that decides, and the "
                  "queue that the mail would go to. Stores and sends nothing.",
       .arguments = {{.name = "RECIPIENT", .help = "the address"}},
       .flags =
           {{.name = "--from", .value = "ADDRESS", .help = "MAIL FROM (default: the null sender)"},
            {.name = "--client",
             .value = "IP",
             .help = "the client's address (default 192.0.2.1: a stranger)"},
            {.name = "--listener",
             .value = "NAME",
             .help = "where it connected (default: the first of role smtp in the configuration)"},
            {.name = "--login",
             .value = "NAME",
             .help = "logged in as this account or gateway (default: not logged in)"},
            {.name = "--tls", .value = "", .help = "over TLS"}},
       .run = ExplainRecipient},
  };
}

}  // namespace turnpike::ctl
