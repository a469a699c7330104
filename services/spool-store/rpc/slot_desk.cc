#include "services/spool-store/rpc/slot_desk.h"

#include <algorithm>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"

namespace turnpike::spool {
namespace {

// While a timer runs; a clock that is set may make it earlier.
constexpr absl::Duration kTickMax = absl::Milliseconds(100);

}  // namespace

SlotDesk::SlotDesk(const base::Clock& clock, prometheus::Gauge& held, prometheus::Gauge& waiting)
    : clock_(clock), held_(held), waiting_(waiting), thread_([this] { Run(); }) {}

SlotDesk::~SlotDesk() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

SlotDesk::StreamId SlotDesk::Open(Granted granted) {
  absl::MutexLock lock(&mu_);
  const StreamId stream = table_.AddStream();
  streams_[stream] = std::move(granted);
  return stream;
}

absl::Status SlotDesk::Handle(StreamId stream, const v1::HoldSlotsRequest& request) {
  const absl::Time now = clock_.Now();
  std::vector<SlotTable::Grant> grants;
  absl::Status status;
  {
    absl::MutexLock lock(&mu_);
    if (!streams_.contains(stream)) return absl::OkStatus();
    for (const uint64_t slot_id : request.release()) table_.Release(stream, slot_id, now, grants);
    for (const v1::SlotRequest& take : request.take()) {
      status = table_.Take(stream, take, now, grants);
      if (!status.ok()) break;
    }
  }
  Tell(grants);
  return status;
}

void SlotDesk::Close(StreamId stream) {
  std::vector<SlotTable::Grant> grants;
  {
    absl::MutexLock lock(&mu_);
    if (streams_.erase(stream) == 0) return;
    table_.EndStream(stream, clock_.Now(), grants);
  }
  Tell(grants);
}

void SlotDesk::Run() {
  while (true) {
    std::vector<SlotTable::Grant> grants;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &SlotDesk::HasTimer));
      if (stopping_) return;
      const absl::Duration wait = *table_.next_time() - clock_.Now();
      if (wait > absl::ZeroDuration()) {
        mu_.AwaitWithTimeout(absl::Condition(&stopping_), std::min(wait, kTickMax));
      }
      table_.Advance(clock_.Now(), grants);
    }
    Tell(grants);
  }
}

void SlotDesk::Tell(const std::vector<SlotTable::Grant>& grants) {
  absl::btree_map<StreamId, std::vector<uint64_t>> slots;
  for (const SlotTable::Grant& grant : grants) slots[grant.stream].push_back(grant.slot_id);
  std::vector<std::pair<Granted, std::vector<uint64_t>>> told;
  {
    absl::MutexLock lock(&mu_);
    held_.Set(static_cast<double>(table_.held()));
    waiting_.Set(static_cast<double>(table_.waiting()));
    for (auto& [stream, ids] : slots) {
      auto found = streams_.find(stream);
      if (found != streams_.end()) told.emplace_back(found->second, std::move(ids));
    }
  }
  for (const auto& [granted, ids] : told) granted(ids);
}

}  // namespace turnpike::spool
