// Asks one directory after the other. (AU-23)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_DIRECTORY_CHAIN_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_DIRECTORY_CHAIN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/auth-service/core/account_directory.h"

namespace turnpike::auth {

struct FoundAccount {
  std::shared_ptr<const AccountEntry> entry;  // null: nobody has the address
  AccountDirectory* directory = nullptr;      // that knows it
};

// The first directory that knows `address` decides; one that does not answer ends the search with
// its error. `done` is called once, on any thread, also inside of this call. The directories
// outlive the search.
void FindInDirectories(std::vector<AccountDirectory*> directories, std::string address,
                       absl::Time deadline,
                       absl::AnyInvocable<void(absl::StatusOr<FoundAccount>)> done);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_DIRECTORY_CHAIN_H_
