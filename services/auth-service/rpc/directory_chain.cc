#include "services/auth-service/rpc/directory_chain.h"

#include <utility>

namespace turnpike::auth {
namespace {

struct Search {
  std::vector<AccountDirectory*> directories;
  std::string address;
  absl::Time deadline;
  absl::AnyInvocable<void(absl::StatusOr<FoundAccount>)> done;
  size_t next = 0;
};

void Continue(std::unique_ptr<Search> search) {
  if (search->next >= search->directories.size()) return search->done(FoundAccount());
  AccountDirectory* const directory = search->directories[search->next++];
  const std::string address = search->address;
  const absl::Time deadline = search->deadline;
  directory->Find(address, deadline,
                  [directory, search = std::move(search)](
                      absl::StatusOr<std::shared_ptr<const AccountEntry>> entry) mutable {
                    if (!entry.ok()) return search->done(entry.status());
                    if (*entry == nullptr) return Continue(std::move(search));
                    search->done(FoundAccount{*std::move(entry), directory});
                  });
}

}  // namespace

void FindInDirectories(std::vector<AccountDirectory*> directories, std::string address,
                       absl::Time deadline,
                       absl::AnyInvocable<void(absl::StatusOr<FoundAccount>)> done) {
  Continue(std::make_unique<Search>(
      Search{std::move(directories), std::move(address), deadline, std::move(done)}));
}

}  // namespace turnpike::auth
