#include "services/spool-store/storage/shard_store.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"

namespace turnpike::spool {
namespace {

constexpr absl::string_view kDrainingKey = "draining";

}  // namespace

class ShardStore::DrainOperation : public Operation {
 public:
  DrainOperation(ShardStore& owner, bool draining, Store::Done<v1::Shard> done)
      : owner_(owner), draining_(draining), done_(std::move(done)) {}

  void Build(CommitContext& context) override {
    if (draining_) {
      context.batch().Put(context.database().meta(), ToSlice(kDrainingKey), "1");
    } else {
      context.batch().Delete(context.database().meta(), ToSlice(kDrainingKey));
    }
  }
  void Apply(bool written) override {
    if (!written) {
      status_ = absl::UnavailableError("the spool cannot be written");
      return;
    }
    if (owner_.engine_.emptying.exchange(draining_) == draining_) return;
    owner_.engine_.holding_back = draining_;
    owner_.engine_.metrics.draining->Set(draining_ ? 1 : 0);
    TURNPIKE_LOG(kInfo, draining_ ? "shard is being emptied" : "shard is in service again",
                 {{"shard", int64_t{owner_.identity_.shard}}});
  }
  void Answer() override {
    if (!status_.ok()) return std::move(done_)(status_);
    std::move(done_)(owner_.Describe());
  }

 private:
  ShardStore& owner_;
  const bool draining_;
  Store::Done<v1::Shard> done_;
  absl::Status status_;
};

absl::Status ShardStore::Load() {
  std::string value;
  const absl::Status status = engine_.database.Get(engine_.database.meta(), kDrainingKey, &value);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  engine_.emptying = status.ok();
  engine_.holding_back = status.ok();
  engine_.metrics.draining->Set(status.ok() ? 1 : 0);
  TURNPIKE_RETURN_IF_ERROR(in_.Load());
  return out_.Load();
}

v1::Shard ShardStore::Describe() const {
  v1::Shard shard;
  shard.set_number(identity_.shard);
  shard.set_draining(engine_.emptying);
  shard.set_accepting(engine_.accepting && !engine_.emptying);
  Totals totals;
  {
    absl::MutexLock lock(&engine_.mu);
    totals = engine_.schedule.totals();
  }
  // Nobody may take the shard away while another one would ask here what has become of a move.
  if (engine_.emptying && totals.deliveries <= 0) {
    totals.deliveries = in_.open_count() + out_.open_count();
  }
  shard.set_deliveries(std::max<int64_t>(totals.deliveries, 0));
  shard.set_content_bytes(totals.bytes);
  shard.set_due(std::max<int64_t>(totals.due, 0));
  shard.set_leased(totals.leased);
  const int64_t oldest = engine_.oldest_due_second;
  if (oldest > 0 && totals.due > 0) shard.mutable_oldest_due_time()->set_seconds(oldest / 60 * 60);
  return shard;
}

void ShardStore::SetDraining(bool draining, Store::Done<v1::Shard> done) {
  engine_.committer.Submit(std::make_unique<DrainOperation>(*this, draining, std::move(done)));
}

// Who can be given work is looked for with the next tick.
void ShardStore::HoldBack(bool hold_back) { engine_.holding_back = hold_back && engine_.emptying; }

}  // namespace turnpike::spool
