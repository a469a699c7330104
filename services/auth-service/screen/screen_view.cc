#include "services/auth-service/screen/screen_view.h"

#include <algorithm>

namespace turnpike::auth {

std::optional<v1::BlockedNetwork> ScreenView::FindBlocked(const net::IpAddress& address,
                                                          absl::Time now) const {
  absl::MutexLock lock(&mu_);
  return table_.Find(address, now);
}

bool ScreenView::IsLimited(absl::string_view account_digest, absl::Time now) const {
  absl::MutexLock lock(&mu_);
  const auto found = limits_.find(account_digest);
  return found != limits_.end() && found->second > now;
}

bool ScreenView::has_limits() const {
  absl::MutexLock lock(&mu_);
  return !limits_.empty();
}

size_t ScreenView::block_count() const {
  absl::MutexLock lock(&mu_);
  return table_.size();
}

void ScreenView::SetBlock(const net::IpNetwork& network, const BlockRecord& block, absl::Time now) {
  absl::MutexLock lock(&mu_);
  changes_.emplace_back(network, block);
  Tell(table_.Set(network, block, now));
}

void ScreenView::RemoveBlock(const net::IpNetwork& network) {
  absl::MutexLock lock(&mu_);
  changes_.emplace_back(network, std::nullopt);
  Tell(table_.Remove(network));
}

void ScreenView::SetLimit(absl::string_view account_digest, absl::Time until) {
  absl::MutexLock lock(&mu_);
  limits_[account_digest] = until;
  new_limits_[account_digest] = until;
}

void ScreenView::BeginListing() {
  absl::MutexLock lock(&mu_);
  changes_.clear();
  new_limits_.clear();
}

void ScreenView::FinishListing(ScreenTable::Blocks blocks, Limits limits, absl::Time now) {
  absl::MutexLock lock(&mu_);
  for (const auto& [network, block] : changes_) {
    if (block.has_value()) {
      blocks.insert_or_assign(network, *block);
    } else {
      blocks.erase(network);
    }
  }
  limits.insert(new_limits_.begin(), new_limits_.end());
  limits_ = std::move(limits);
  Tell(table_.Replace(std::move(blocks), now));
  changes_.clear();
  new_limits_.clear();
}

std::shared_ptr<void> ScreenView::Subscribe(Screen::OnUpdate on_update, absl::Time now) {
  absl::MutexLock lock(&mu_);
  for (const v1::ScreenUpdate& update : table_.Whole(now)) on_update(update);
  const auto place = subscribers_.insert(subscribers_.end(), std::move(on_update));
  // Its destruction waits for a call in progress, because calls hold the lock.
  const auto unsubscribe = [self = shared_from_this(), place](void*) {
    absl::MutexLock lock(&self->mu_);
    self->subscribers_.erase(place);
  };
  return std::shared_ptr<void>(nullptr, unsubscribe);
}

void ScreenView::Tell(const std::vector<v1::ScreenUpdate>& updates) const {
  for (const v1::ScreenUpdate& update : updates) {
    for (const Screen::OnUpdate& subscriber : subscribers_) subscriber(update);
  }
}

}  // namespace turnpike::auth
