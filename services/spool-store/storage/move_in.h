// Takes deliveries over from a shard that is being emptied (PL-27).
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MOVE_IN_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MOVE_IN_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "protos/turnpike/spool/v1/shard.pb.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

// Every move leaves a mark in the commit that stores it: the mover's store and the move's number. A
// move whose mark is there is not done again. The mover says when a mark is no longer needed.
//
// Thread-safe.
class MoveIn {
 public:
  // What one call sends, in its order: from the first move that is not stored, none is.
  class Call {
   public:
    virtual ~Call() = default;
    virtual void Append(v1::ContentChunk chunk, absl::AnyInvocable<void()> done) = 0;
    // `source_id`: of the mover's store, 16 octets.
    virtual void Move(const std::string& source_id, v1::MovedDelivery moved,
                      absl::AnyInvocable<void(v1::MoveResult)> done) = 0;
  };

  explicit MoveIn(Engine& engine) : engine_(engine) {}

  // Counts the marks. Before anything else.
  absl::Status Load();

  std::shared_ptr<Call> Open();
  // Forgets the marks of moves with lower numbers. `done`: durably, or why not.
  void Forget(std::string source_id, uint64_t below, Store::Done<uint64_t> done);

  // Marks that are kept.
  int64_t open_count() const { return open_count_; }

 private:
  class CallImpl;
  class MoveOperation;
  class ForgetOperation;

  Engine& engine_;
  std::atomic<int64_t> open_count_ = 0;
  // Of the committer's thread: no mark of the source is below, so that scans do not walk over what
  // was deleted.
  std::map<std::string, uint64_t> forgotten_below_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MOVE_IN_H_
