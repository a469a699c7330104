// Ends leases with what became of the recipients.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SETTLE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SETTLE_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

// A settlement is taken while nobody else leases the delivery, also after the lease has run out or
// the store was started anew; one that comes again while the first is being written shares its
// answer.
//
// Thread-safe.
class Settler {
 public:
  explicit Settler(Engine& engine) : engine_(engine) {}

  void Submit(v1::Settlement settlement, Store::SettleDone done);

 private:
  class SettleOperation;
  struct InFlight {
    uint64_t fence = 0;
    std::vector<Store::SettleDone> waiting;  // beside the first
  };

  Engine& engine_;
  absl::flat_hash_map<uint64_t, InFlight> in_flight_ ABSL_GUARDED_BY(engine_.mu);
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SETTLE_H_
