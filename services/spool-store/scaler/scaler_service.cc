#include "services/spool-store/scaler/scaler_service.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "services/common/observe/log.h"
#include "services/common/rpc/status.h"
#include "services/spool-store/scaler/trigger.h"

namespace turnpike::spool {
namespace {

using externalscaler::IsActiveResponse;
using externalscaler::ScaledObjectRef;

prometheus::Family<prometheus::Counter>& Requests(prometheus::Registry& registry) {
  return prometheus::BuildCounter()
      .Name("turnpike_spool_scaler_requests_total")
      .Help("Questions of an autoscaler, by how they ended.")
      .Register(registry);
}

absl::StatusOr<Trigger> TriggerOf(const ScaledObjectRef& object) {
  const auto& metadata = object.scaler_metadata();
  return Trigger::Parse({metadata.begin(), metadata.end()});
}

}  // namespace

// One StreamIsActive. Thread-safe; it lives until gRPC is done with it and the service has let go.
//
// Writes and the end begin under the lock: nothing may begin once the end has, which may come from
// another thread between a decision to write and the write. gRPC reacts on threads of its own.
class ScalerService::ActiveStream : public grpc::ServerWriteReactor<IsActiveResponse> {
 public:
  explicit ActiveStream(std::function<void()> on_done) : on_done_(std::move(on_done)) {}

  // The latest state; it is written when the peer does not know it yet.
  void Tell(bool is_active) {
    absl::MutexLock lock(&mu_);
    wanted_ = is_active;
    Write();
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mu_);
    if (!std::exchange(is_ended_, true)) Finish(rpc::ToGrpc(status));
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the peer has gone"));
    absl::MutexLock lock(&mu_);
    is_writing_ = false;
    Write();
  }
  void OnCancel() override { End(absl::CancelledError("the peer has gone")); }
  void OnDone() override { on_done_(); }

 private:
  void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (is_ended_ || is_writing_ || wanted_ == written_) return;
    is_writing_ = true;
    written_ = wanted_;
    response_.set_result(*written_);
    StartWrite(&response_);
  }

  const std::function<void()> on_done_;
  absl::Mutex mu_;
  bool is_ended_ ABSL_GUARDED_BY(mu_) = false;
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<bool> wanted_ ABSL_GUARDED_BY(mu_);
  std::optional<bool> written_ ABSL_GUARDED_BY(mu_);
  IsActiveResponse response_;  // of the write under way
};

ScalerService::ScalerService(ShardTotals& totals, const Options& options, const base::Clock& clock,
                             prometheus::Registry& registry)
    : totals_(totals),
      clock_(clock),
      answered_(Requests(registry).Add({{"result", "ok"}})),
      failed_(Requests(registry).Add({{"result", "error"}})),
      ticker_(options.stream_interval, [this](const base::Ticker&) { TellStreams(); }) {}

ScalerService::~ScalerService() = default;

void ScalerService::EndStreams() {
  std::set<std::shared_ptr<ActiveStream>> streams;
  {
    absl::MutexLock lock(&mu_);
    is_ended_ = true;
    streams = streams_;
  }
  for (const auto& stream : streams) stream->End(absl::UnavailableError("the store is stopping"));
}

void ScalerService::Finish(grpc::ServerUnaryReactor* reactor, const absl::Status& status) {
  (status.ok() ? answered_ : failed_).Increment();
  if (!status.ok()) {
    TURNPIKE_LOG(kWarning, "an autoscaler gets no answer", {{"error", status.message()}});
  }
  reactor->Finish(rpc::ToGrpc(status));
}

void ScalerService::TellStreams() {
  std::set<std::shared_ptr<ActiveStream>> streams;
  {
    absl::MutexLock lock(&mu_);
    streams = streams_;
  }
  if (streams.empty()) return;
  totals_.Get([streams](const absl::StatusOr<Totals>& totals) {
    if (!totals.ok()) return;
    for (const auto& stream : streams) stream->Tell(HasWork(*totals));
  });
}

grpc::ServerUnaryReactor* ScalerService::IsActive(grpc::CallbackServerContext* context,
                                                  const ScaledObjectRef* /*request*/,
                                                  IsActiveResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  totals_.Get([this, reactor, response](const absl::StatusOr<Totals>& totals) {
    if (totals.ok()) response->set_result(HasWork(*totals));
    Finish(reactor, totals.status());
  });
  return reactor;
}

grpc::ServerWriteReactor<IsActiveResponse>* ScalerService::StreamIsActive(
    grpc::CallbackServerContext* /*context*/, const ScaledObjectRef* /*request*/) {
  const auto place = std::make_shared<std::shared_ptr<ActiveStream>>();
  const auto stream = std::make_shared<ActiveStream>([this, place] {
    const std::shared_ptr<ActiveStream> kept = std::exchange(*place, nullptr);
    absl::MutexLock lock(&mu_);
    streams_.erase(kept);
  });
  *place = stream;
  bool is_ended = false;
  {
    absl::MutexLock lock(&mu_);
    is_ended = is_ended_;
    streams_.insert(stream);
  }
  if (is_ended) {
    stream->End(absl::UnavailableError("the store is stopping"));
    return stream.get();
  }
  totals_.Get([stream](const absl::StatusOr<Totals>& totals) {
    if (totals.ok()) stream->Tell(HasWork(*totals));
  });
  return stream.get();
}

grpc::ServerUnaryReactor* ScalerService::GetMetricSpec(
    grpc::CallbackServerContext* context, const ScaledObjectRef* request,
    externalscaler::GetMetricSpecResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::StatusOr<Trigger> trigger = TriggerOf(*request);
  if (trigger.ok()) {
    externalscaler::MetricSpec* const spec = response->add_metric_specs();
    spec->set_metric_name(trigger->name());
    spec->set_target_size_float(trigger->target);
    spec->set_target_size(std::max<int64_t>(1, std::llround(trigger->target)));
  }
  Finish(reactor, trigger.status());
  return reactor;
}

grpc::ServerUnaryReactor* ScalerService::GetMetrics(
    grpc::CallbackServerContext* context, const externalscaler::GetMetricsRequest* request,
    externalscaler::GetMetricsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  // Its metadata says which figure; the name that KEDA repeats has a prefix in some versions.
  const absl::StatusOr<Trigger> trigger = TriggerOf(request->scaled_object_ref());
  if (!trigger.ok()) {
    Finish(reactor, trigger.status());
    return reactor;
  }
  totals_.Get([this, reactor, response, trigger = *trigger](const absl::StatusOr<Totals>& totals) {
    if (totals.ok()) {
      const double figure = trigger.Figure(*totals, clock_.Now());
      externalscaler::MetricValue* const value = response->add_metric_values();
      value->set_metric_name(trigger.name());
      value->set_metric_value_float(figure);
      value->set_metric_value(std::llround(figure));
    }
    Finish(reactor, totals.status());
  });
  return reactor;
}

}  // namespace turnpike::spool
