#include "services/smtp-frontend/session/lease_feed.h"

#include "services/spool-store/client/shard_id.h"

namespace turnpike::frontend {

bool LeaseFeed::TakeNext(Next* next) {
  if (is_closed_) {
    *next = Closed{closed_status_};
  } else if (is_stopped_) {
    *next = Stopped{};
  } else if (!waiting_.empty()) {
    *next = std::move(waiting_.front());
    waiting_.pop_front();
  } else if (is_drained_) {
    *next = Drained{};
  } else {
    return false;
  }
  return true;
}

void LeaseFeed::WhenNext(absl::AnyInvocable<void(Next)> done) {
  Next next;
  {
    absl::MutexLock lock(&mu_);
    if (!TakeNext(&next)) {
      done_ = std::move(done);
      return;
    }
  }
  done(std::move(next));
}

std::optional<spool::v1::LeasedDelivery> LeaseFeed::TakeWaiting() {
  absl::MutexLock lock(&mu_);
  if (is_closed_ || is_stopped_ || waiting_.empty()) return std::nullopt;
  spool::v1::LeasedDelivery delivery = std::move(waiting_.front());
  waiting_.pop_front();
  return delivery;
}

void LeaseFeed::Wake() {
  absl::AnyInvocable<void(Next)> done;
  Next next;
  {
    absl::MutexLock lock(&mu_);
    if (!done_ || !TakeNext(&next)) return;
    done = std::move(done_);
    done_ = nullptr;
  }
  done(std::move(next));
}

void LeaseFeed::ExpectMore() {
  absl::MutexLock lock(&mu_);
  is_drained_ = false;
}

void LeaseFeed::Stop() {
  {
    absl::MutexLock lock(&mu_);
    is_stopped_ = true;
  }
  Wake();
}

bool LeaseFeed::IsHeld(const spool::v1::LeaseToken& token) const {
  absl::MutexLock lock(&mu_);
  return !is_closed_ && !lost_shards_.contains(spool::ShardOf(token.delivery_id())) &&
         !revoked_.contains(Token(token.delivery_id(), token.fence()));
}

std::vector<uint32_t> LeaseFeed::LostShards() const {
  absl::MutexLock lock(&mu_);
  return {lost_shards_.begin(), lost_shards_.end()};
}

std::vector<spool::v1::LeaseToken> LeaseFeed::WaitingTokens() const {
  absl::MutexLock lock(&mu_);
  std::vector<spool::v1::LeaseToken> tokens;
  for (const spool::v1::LeasedDelivery& delivery : waiting_) tokens.push_back(delivery.token());
  return tokens;
}

void LeaseFeed::OnLeased(spool::v1::LeaseResponse response) {
  {
    absl::MutexLock lock(&mu_);
    for (spool::v1::LeasedDelivery& delivery : *response.mutable_deliveries()) {
      waiting_.push_back(std::move(delivery));
    }
    for (const spool::v1::LeaseToken& token : response.revoked()) {
      revoked_.insert(Token(token.delivery_id(), token.fence()));
      std::erase_if(waiting_, [&token](const spool::v1::LeasedDelivery& delivery) {
        return delivery.token().delivery_id() == token.delivery_id() &&
               delivery.token().fence() == token.fence();
      });
    }
    // A response about revoked leases alone says nothing about more.
    if (response.drained() || response.deliveries_size() > 0) is_drained_ = response.drained();
  }
  Wake();
}

void LeaseFeed::OnShardLost(uint32_t shard, const absl::Status&) {
  absl::MutexLock lock(&mu_);
  lost_shards_.insert(shard);
  std::erase_if(waiting_, [shard](const spool::v1::LeasedDelivery& delivery) {
    return spool::ShardOf(delivery.token().delivery_id()) == shard;
  });
}

void LeaseFeed::OnClosed(absl::Status status) {
  {
    absl::MutexLock lock(&mu_);
    is_closed_ = true;
    closed_status_ = std::move(status);
  }
  Wake();
}

}  // namespace turnpike::frontend
