#include "services/auth-service/rpc/screen_update.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_set.h"

namespace turnpike::auth {

void MergeScreenUpdate(const v1::ScreenUpdate& update, v1::ScreenUpdate& pending) {
  if (update.complete() || (pending.blocked_size() == 0 && pending.removed_size() == 0)) {
    const bool was_complete = pending.complete();
    pending = update;
    pending.set_complete(update.complete() || was_complete);
    return;
  }
  // What is said anew replaces what was said before.
  absl::flat_hash_set<std::string> renewed(update.removed().begin(), update.removed().end());
  for (const v1::BlockedNetwork& blocked : update.blocked()) renewed.insert(blocked.network());
  auto& blocked = *pending.mutable_blocked();
  blocked.erase(std::remove_if(blocked.begin(), blocked.end(),
                               [&renewed](const v1::BlockedNetwork& each) {
                                 return renewed.contains(each.network());
                               }),
                blocked.end());
  auto& removed = *pending.mutable_removed();
  removed.erase(
      std::remove_if(removed.begin(), removed.end(),
                     [&renewed](const std::string& each) { return renewed.contains(each); }),
      removed.end());
  pending.mutable_blocked()->MergeFrom(update.blocked());
  pending.mutable_removed()->MergeFrom(update.removed());
}

}  // namespace turnpike::auth
