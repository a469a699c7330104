// The other shards, as the one that is being emptied sees them.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARD_PEERS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARD_PEERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/shard.grpc.pb.h"
#include "protos/turnpike/spool/v1/spool.grpc.pb.h"

namespace grpc {
class Channel;
}

namespace turnpike::spool {

// Thread-compatible; the stubs are thread-safe.
class ShardPeers {
 public:
  // `channels`: by number; that of `self` is not used.
  ShardPeers(uint32_t self, const std::vector<std::shared_ptr<grpc::Channel>>& channels);

  // Asks all of them at once how they are. Waits for the last, `timeout` at most.
  void Refresh(absl::Duration timeout);

  // By the last Refresh, and what was noted since.
  bool IsReachable(uint32_t number) const;
  bool IsAnyAccepting() const;
  // Why none takes mail: `shard 1 is away (…), shard 2 is full or being emptied`.
  std::string WhyNone() const;
  void NoteAway(uint32_t number, const absl::Status& status);
  void NoteRefusal(uint32_t number);

  // Where a queue's mail goes: always the same shard, as long as the same ones take mail; so that
  // the order within a queue stays. Nothing: none takes mail.
  std::optional<uint32_t> Choose(absl::string_view queue_key) const;

  // The shard must be known.
  v1::ShardService::Stub& shard(uint32_t number) { return *peers_[number].shard; }
  v1::SpoolService::Stub& spool(uint32_t number) { return *peers_[number].spool; }
  const absl::Status& status(uint32_t number) const { return peers_[number].status; }
  bool IsKnown(uint32_t number) const { return number != self_ && number < peers_.size(); }

 private:
  struct Peer {
    std::unique_ptr<v1::ShardService::Stub> shard;
    std::unique_ptr<v1::SpoolService::Stub> spool;
    absl::Status status = absl::UnavailableError("not asked yet");
    bool is_accepting = false;
  };
  const uint32_t self_;
  std::vector<Peer> peers_;  // by number
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARD_PEERS_H_
