// Every command, a file for each resource.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_ALL_COMMANDS_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_ALL_COMMANDS_H_

#include <vector>

#include "services/turnpikectl/core/command.h"

namespace turnpike::ctl {

std::vector<Command> GatewayCommands();
std::vector<Command> GatewayAccessCommands();
std::vector<Command> CollectionCommands();
std::vector<Command> QueueCommands();
std::vector<Command> MessageCommands();
std::vector<Command> MessageChangeCommands();
std::vector<Command> ShardCommands();
std::vector<Command> DeliveryCommands();
std::vector<Command> SessionCommands();
std::vector<Command> ScreenCommands();
std::vector<Command> ExplainCommands();
std::vector<Command> AccountCommands();
std::vector<Command> CertificateCommands();
std::vector<Command> CanaryCommands();
std::vector<Command> ToolCommands();

// All of them, in the order of the manual.
const std::vector<Command>& AllCommands();

// What every command understands besides its own flags.
const std::vector<Flag>& GlobalFlags();

// `DOMAIN` of a gateway.
Argument GatewayArgument();

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_ALL_COMMANDS_H_
