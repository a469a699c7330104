// The store as one of several shards.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SHARD_STORE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SHARD_STORE_H_

#include "absl/status/status.h"
#include "protos/turnpike/spool/v1/shard.pb.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"
#include "services/spool-store/storage/identity.h"
#include "services/spool-store/storage/move_in.h"
#include "services/spool-store/storage/move_out.h"

namespace turnpike::spool {

// Thread-safe, but for what MoveOut says.
class ShardStore {
 public:
  ShardStore(Engine& engine, Identity identity)
      : engine_(engine), identity_(std::move(identity)), in_(engine), out_(engine) {}

  // After the queues are loaded, before anybody is served.
  absl::Status Load();

  const Identity& identity() const { return identity_; }
  // Of counters; `drain_error` is not known here.
  v1::Shard Describe() const;

  bool is_draining() const { return engine_.emptying; }
  // Durable when `done` is called.
  void SetDraining(bool draining, Store::Done<v1::Shard> done);
  // While the shard is being emptied: whether due mail waits to be moved, or is handed out since it
  // cannot be.
  void HoldBack(bool hold_back);

  MoveIn& in() { return in_; }
  MoveOut& out() { return out_; }

 private:
  class DrainOperation;

  Engine& engine_;
  const Identity identity_;
  MoveIn in_;
  MoveOut out_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SHARD_STORE_H_
