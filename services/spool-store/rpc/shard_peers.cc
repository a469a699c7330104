#include "services/spool-store/rpc/shard_peers.h"

#include <grpcpp/channel.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "services/common/rpc/unary.h"
#include "services/spool-store/core/content_hash.h"

namespace turnpike::spool {

ShardPeers::ShardPeers(uint32_t self, const std::vector<std::shared_ptr<grpc::Channel>>& channels)
    : self_(self), peers_(channels.size()) {
  for (size_t i = 0; i < channels.size(); ++i) {
    if (i == self) continue;
    peers_[i].shard = v1::ShardService::NewStub(channels[i]);
    peers_[i].spool = v1::SpoolService::NewStub(channels[i]);
  }
}

void ShardPeers::Refresh(absl::Duration timeout) {
  const auto others = std::count_if(peers_.begin(), peers_.end(),
                                    [](const Peer& peer) { return peer.shard != nullptr; });
  absl::BlockingCounter missing(static_cast<int>(others));
  const absl::Time deadline = absl::Now() + timeout;
  for (Peer& peer : peers_) {
    if (peer.shard == nullptr) continue;
    rpc::CallUnary<v1::GetShardRequest, v1::GetShardResponse>(
        v1::GetShardRequest(), deadline,
        [&peer](auto* context, auto* request, auto* response, auto done) {
          peer.shard->async()->GetShard(context, request, response, std::move(done));
        },
        [&peer, &missing](absl::StatusOr<v1::GetShardResponse> response) {
          peer.status = response.status();
          peer.is_accepting = response.ok() && response->shard().accepting();
          missing.DecrementCount();
        });
  }
  missing.Wait();
}

bool ShardPeers::IsReachable(uint32_t number) const {
  return IsKnown(number) && peers_[number].status.ok();
}

bool ShardPeers::IsAnyAccepting() const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [](const Peer& peer) { return peer.is_accepting; });
}

std::string ShardPeers::WhyNone() const {
  std::string why;
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (i == self_) continue;
    const Peer& peer = peers_[i];
    absl::StrAppend(&why, why.empty() ? "" : ", ", "shard ", i, " ");
    if (peer.status.ok()) {
      absl::StrAppend(&why, peer.is_accepting ? "takes mail" : "is full or being emptied");
    } else {
      absl::StrAppend(&why, "is away (", peer.status.message(), ")");
    }
  }
  return why.empty() ? "there is no other shard" : why;
}

void ShardPeers::NoteAway(uint32_t number, const absl::Status& status) {
  peers_[number].status = status;
  peers_[number].is_accepting = false;
}

void ShardPeers::NoteRefusal(uint32_t number) { peers_[number].is_accepting = false; }

// By rendezvous: when one goes or comes, only its own queues are sent elsewhere.
std::optional<uint32_t> ShardPeers::Choose(absl::string_view queue_key) const {
  std::optional<uint32_t> best;
  uint64_t best_weight = 0;
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (!peers_[i].is_accepting) continue;
    const uint64_t weight = HashContent(absl::StrCat(queue_key, "/", i));
    if (!best.has_value() || weight > best_weight) {
      best = static_cast<uint32_t>(i);
      best_weight = weight;
    }
  }
  return best;
}

}  // namespace turnpike::spool
