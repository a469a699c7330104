// Hands this shard's deliveries over to others, while it is being emptied (PL-27).
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MOVE_OUT_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MOVE_OUT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/spool/v1/shard.pb.h"
#include "services/spool-store/core/index_key.h"
#include "services/spool-store/core/records.pb.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

// A delivery on its way.
struct Outgoing {
  uint64_t delivery_id = 0;
  uint64_t number = 0;    // of the move
  uint32_t target = 0;    // the shard
  int64_t noted_ms = 0;   // since the epoch
  bool is_again = false;  // it may be there already
  std::string queue_key;
  Position position;
  std::shared_ptr<const records::DeliveryRecord> record;
};

// A move is noted, durably, before it is sent: after any crash it is asked for again, of the same
// target and by the same number, until that one has answered. Only then the delivery is deleted
// here, or free again. Nobody can lease it meanwhile.
//
// Confined to one thread, which may wait for the disk there; but Describe, ReadPieces and
// open_count may be called by any.
class MoveOut {
 public:
  static constexpr size_t kBatchMax = 256;
  static constexpr int64_t kBatchBytesMax = 4 << 20;  // of content; one delivery may have more

  explicit MoveOut(Engine& engine) : engine_(engine) {}

  // Takes up the moves that were noted when the store ended. After the queues are loaded, before
  // anybody is served.
  absl::Status Load();

  // The target of a queue's mail; nothing: leave it for now. Called for each delivery, so that
  // it may not wait.
  using Choose = absl::FunctionRef<std::optional<uint32_t>(const std::string& queue_key)>;
  // Claims the next deliveries, in the order of their ids, and notes them. What is leased is passed
  // over, and found by a later walk. Empty: nothing is there now that could be moved.
  // UNAVAILABLE: the disk.
  absl::StatusOr<std::vector<Outgoing>> Next(Choose choose);

  // Begins the next walk at once, with what this one has passed over.
  void Rewind();
  // Whether there are deliveries that nobody leases.
  bool HasMore() const;

  // Noted moves without an answer yet, in the order of their numbers.
  std::vector<Outgoing> Open() const;
  // What to send; without content when that is in pieces. DATA_LOSS, NOT_FOUND: it is damaged.
  absl::StatusOr<v1::MovedDelivery> Describe(const Outgoing& outgoing);
  // Content in pieces, of at most 256 KiB, until `visit` returns false.
  absl::Status ReadPieces(const Outgoing& outgoing,
                          absl::FunctionRef<bool(int64_t offset, std::string piece)> visit);

  // In one commit: `moved` are durable at their targets, and no more here; `kept` are certainly not
  // there, and free again. On an error they are all still noted.
  absl::Status Finish(const std::vector<Outgoing>& moved, const std::vector<Outgoing>& kept);
  // A delivery that is damaged: left out by Next, for as long as it is there.
  void LeaveOut(uint64_t delivery_id, std::string why) { left_out_[delivery_id] = std::move(why); }
  // `delivery 17: content does not match its checksum`; empty: none is left out.
  std::string LeftOut() const;

  // The release of the delivery's queue, when that came after the delivery was noted: what is at
  // the target since then may still be held there.
  std::optional<v1::ReleaseQueueRequest> ReleasedSince(const Outgoing& outgoing);

  // Numbers below will not be sent to the target again.
  uint64_t ForgetBelow(uint32_t target) const;
  // Targets that keep marks of our moves.
  std::vector<uint32_t> Targets() const;
  // The target has forgotten all below; it is dropped from Targets when nothing is left.
  absl::Status Forgotten(uint32_t target, uint64_t below);

  // Moves, and targets with marks, that stand open. Any thread.
  int64_t open_count() const { return open_count_; }

 private:
  class NoteOperation;
  class FinishOperation;
  class ForgottenOperation;

  // Submits an operation and waits for it.
  template <typename Op>
  absl::Status Run(std::unique_ptr<Op> operation);
  // Takes the delivery from whoever might lease it. Nothing: it is leased, or elsewhere.
  std::optional<Outgoing> Claim(uint64_t delivery_id, const records::DeliveryRecord& record);
  void Free(const std::vector<Outgoing>& claimed);
  void PassOver(uint64_t delivery_id);
  void Count() { open_count_ = static_cast<int64_t>(open_.size() + targets_.size()); }

  Engine& engine_;
  std::map<uint64_t, Outgoing> open_;     // by number
  std::map<uint32_t, uint64_t> targets_;  // with marks; to the highest number sent there
  // Ahead of all that any earlier copy of the folder can have used: see Next.
  uint64_t last_number_ = 0;
  uint64_t cursor_ = 0;           // the walk goes on behind this id
  std::optional<uint64_t> left_;  // the lowest one that was passed over: the next walk begins there
  absl::flat_hash_map<uint64_t, std::string> left_out_;
  absl::flat_hash_set<uint64_t> seen_left_out_;  // by this walk
  std::atomic<int64_t> open_count_ = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MOVE_OUT_H_
