#include "services/turnpikectl/commands/all_commands.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/turnpikectl/commands/printer.h"
#include "services/turnpikectl/connection/targets.h"

namespace turnpike::ctl {
namespace {

std::vector<Command> Collect() {
  std::vector<Command> all;
  for (const auto make :
       {GatewayCommands, GatewayAccessCommands, CollectionCommands, QueueCommands, MessageCommands,
        MessageChangeCommands, ShardCommands, DeliveryCommands, SessionCommands, ScreenCommands,
        ExplainCommands, AccountCommands, CertificateCommands, CanaryCommands, ToolCommands}) {
    for (Command& command : make()) all.push_back(std::move(command));
  }
  return all;
}

std::vector<Flag> CollectFlags() {
  std::vector<Flag> flags = {
      {.name = "--output",
       .value = "FORM",
       .help = "how answers are written (default table)",
       .choices = FormNames(),
       .short_name = "-o"},
      {.name = "--yes", .value = "", .help = "do what would be asked about", .short_name = "-y"},
      {.name = "--timeout",
       .value = "TIME",
       .help = "longest wait for one answer (default 30s; 1h for what runs to its end)"},
      {.name = "--config",
       .value = "FILE",
       .help = absl::StrCat("the services' configuration, which says where they are (default "
                            "$TURNPIKE_CONFIG, then ",
                            kDefaultConfig, ")")},
      {.name = "--tls-directory",
       .value = "FOLDER",
       .help = absl::StrCat("whose folder `", kOwnService,
                            "` has the certificate to show the services (default "
                            "$TURNPIKE_TLS_DIRECTORY, then the configuration)")},
  };
  for (const ServiceInfo& service : AllServices()) {
    flags.push_back({.name = service.flag,
                     .value = "TARGET",
                     .help = absl::StrCat("where ", service.name,
                                          " is, host:port; commas between several (default $",
                                          service.environment, ", then the configuration)")});
  }
  return flags;
}

}  // namespace

const std::vector<Command>& AllCommands() {
  static const auto* const kCommands = new std::vector<Command>(Collect());
  return *kCommands;
}

const std::vector<Flag>& GlobalFlags() {
  static const auto* const kFlags = new std::vector<Flag>(CollectFlags());
  return *kFlags;
}

}  // namespace turnpike::ctl
