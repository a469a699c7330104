// Grants slots to the streams that ask for them.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_SLOT_DESK_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_SLOT_DESK_H_

#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/gauge.h"
#include "protos/turnpike/spool/v1/shared_state.pb.h"
#include "services/common/base/clock.h"
#include "services/spool-store/core/slot_table.h"

namespace turnpike::spool {

// A SlotTable with a clock and a thread for it. Thread-safe.
class SlotDesk {
 public:
  using StreamId = SlotTable::StreamId;
  // Slots of one stream that are held from now on. Runs on any thread, also within Handle; must not
  // block or call the desk.
  using Granted = std::function<void(const std::vector<uint64_t>& slot_ids)>;

  // All outlive this.
  SlotDesk(const base::Clock& clock, prometheus::Gauge& held, prometheus::Gauge& waiting);
  ~SlotDesk();
  SlotDesk(const SlotDesk&) = delete;
  SlotDesk& operator=(const SlotDesk&) = delete;

  StreamId Open(Granted granted);
  // Errors as SlotTable::Take: the stream must end. What came before the error has been done.
  absl::Status Handle(StreamId stream, const v1::HoldSlotsRequest& request);
  // Its slots are free; `granted` is not called after this, unless it is being called.
  void Close(StreamId stream);

 private:
  void Run();
  bool HasTimer() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return stopping_ || table_.next_time().has_value();
  }
  // Tells who has been granted something; sets the figures.
  void Tell(const std::vector<SlotTable::Grant>& grants) ABSL_LOCKS_EXCLUDED(mu_);

  const base::Clock& clock_;
  prometheus::Gauge& held_;
  prometheus::Gauge& waiting_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  SlotTable table_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<StreamId, Granted> streams_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_SLOT_DESK_H_
