// What a replica knows of the screen, and who wants to hear of its changes.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_VIEW_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_VIEW_H_

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/auth-service/core/screen.h"
#include "services/auth-service/screen/screen_table.h"

namespace turnpike::auth {

// Thread-safe. Lives as long as its last subscription.
class ScreenView : public std::enable_shared_from_this<ScreenView> {
 public:
  using Limits = absl::flat_hash_map<std::string, absl::Time>;  // account digest to its end

  std::optional<v1::BlockedNetwork> FindBlocked(const net::IpAddress& address,
                                                absl::Time now) const;
  bool IsLimited(absl::string_view account_digest, absl::Time now) const;
  bool has_limits() const;
  size_t block_count() const;

  void SetBlock(const net::IpNetwork& network, const BlockRecord& block, absl::Time now);
  void RemoveBlock(const net::IpNetwork& network);
  void SetLimit(absl::string_view account_digest, absl::Time until);

  // All of it is being read anew: what is set and removed from here on is newer than what is read.
  void BeginListing();
  void FinishListing(ScreenTable::Blocks blocks, Limits limits, absl::Time now);

  std::shared_ptr<void> Subscribe(Screen::OnUpdate on_update, absl::Time now);

 private:
  using Subscribers = std::list<Screen::OnUpdate>;

  void Tell(const std::vector<v1::ScreenUpdate>& updates) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  ScreenTable table_ ABSL_GUARDED_BY(mu_);
  Limits limits_ ABSL_GUARDED_BY(mu_);
  Subscribers subscribers_ ABSL_GUARDED_BY(mu_);
  // Since BeginListing; nothing: removed.
  std::vector<std::pair<net::IpNetwork, std::optional<BlockRecord>>> changes_ ABSL_GUARDED_BY(mu_);
  Limits new_limits_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_VIEW_H_
