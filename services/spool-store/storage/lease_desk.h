// Hands deliveries to workers.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_LEASE_DESK_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_LEASE_DESK_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

// A worker that has credit is served on the pool, by one task at a time, until its credit, its room
// or the work is used up; new work and new credit start the next task.
//
// Thread-safe.
class LeaseDesk {
 public:
  explicit LeaseDesk(Engine& engine) : engine_(engine) {}

  absl::StatusOr<std::unique_ptr<Store::Consumer>> Open(const v1::LeaseOpen& open,
                                                        std::shared_ptr<Store::LeaseSink> sink);

  // Serves whoever can be given something. Call after every change that may make work.
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(engine_.mu);
  // Takes back expired leases, and lets time make deliveries due.
  void Tick(absl::Time now) ABSL_LOCKS_EXCLUDED(engine_.mu);

  // Sets the figures of leases.
  void Measure() ABSL_LOCKS_EXCLUDED(engine_.mu);
  // The worker's name; empty without such a holder.
  std::string WorkerOf(HolderId holder) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(engine_.mu);

 private:
  struct Worker;
  class WorkerHandle;

  void Handle(const std::shared_ptr<Worker>& worker, const v1::LeaseRequest& request);
  void Room(const std::shared_ptr<Worker>& worker);
  void Close(const std::shared_ptr<Worker>& worker);
  void Serve(const std::shared_ptr<Worker>& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(engine_.mu);
  void Run(const std::shared_ptr<Worker>& worker);
  bool RunOnce(Worker& worker);
  bool HasRoom(Worker& worker);

  Engine& engine_;
  std::vector<std::shared_ptr<Worker>> workers_ ABSL_GUARDED_BY(engine_.mu);
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_LEASE_DESK_H_
