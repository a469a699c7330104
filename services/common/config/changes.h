// What differs between the configuration that runs and one that has been read anew.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_CHANGES_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_CHANGES_H_

#include <string>
#include <vector>

#include "protos/turnpike/config/v1/config.pb.h"

namespace turnpike::config {

// Key paths, in the order of the contract. An entry of a list whose entries have a name (a field
// with rules.unique: a gateway's domain, a listener's name) is compared with the entry of the same
// name, and told by its place in the new document: `gateways[2].etrn.port`. The list itself is told
// (`gateways`) when entries were added, taken away or put in another order. No values: some are
// secrets.
struct Changes {
  std::vector<std::string> taken;       // differ, and may be taken while running
  std::vector<std::string> at_restart;  // differ, but are taken only at start (rules.needs_restart)

  bool empty() const { return taken.empty() && at_restart.empty(); }
};

// Compares two complete configurations, and gives the keys of `loaded` that are taken only at start
// the values that run. An entry that is new has all its own values.
Changes TakeChanges(const v1::Config& running, v1::Config& loaded);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_CHANGES_H_
