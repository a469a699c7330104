// KEDA's external scaler: how much work there is for the delivery workers. (PL-61)
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SCALER_SERVICE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SCALER_SERVICE_H_

#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/registry.h"
#include "services/common/base/clock.h"
#include "services/common/base/ticker.h"
#include "services/spool-store/scaler/shard_totals.h"
#include "third_party/keda/externalscaler.grpc.pb.h"

namespace turnpike::spool {

// Answers for all shards. While one does not say what it has, every question for a figure ends in
// UNAVAILABLE, and streams say nothing new: KEDA and the autoscaler then leave the workers as they
// are. A trigger that is not understood is INVALID_ARGUMENT. Thread-safe.
class ScalerService : public externalscaler::ExternalScaler::CallbackService {
 public:
  struct Options {
    absl::Duration stream_interval = absl::Seconds(5);  // how often streams look for a change
  };

  // Both outlive the service.
  ScalerService(ShardTotals& totals, const Options& options, const base::Clock& clock,
                prometheus::Registry& registry);
  ~ScalerService() override;

  // Ends the streams, of which no new ones begin, so that KEDA asks another store.
  void EndStreams();

  grpc::ServerUnaryReactor* IsActive(grpc::CallbackServerContext* context,
                                     const externalscaler::ScaledObjectRef* request,
                                     externalscaler::IsActiveResponse* response) override;
  grpc::ServerWriteReactor<externalscaler::IsActiveResponse>* StreamIsActive(
      grpc::CallbackServerContext* context,
      const externalscaler::ScaledObjectRef* request) override;
  grpc::ServerUnaryReactor* GetMetricSpec(grpc::CallbackServerContext* context,
                                          const externalscaler::ScaledObjectRef* request,
                                          externalscaler::GetMetricSpecResponse* response) override;
  grpc::ServerUnaryReactor* GetMetrics(grpc::CallbackServerContext* context,
                                       const externalscaler::GetMetricsRequest* request,
                                       externalscaler::GetMetricsResponse* response) override;

 private:
  class ActiveStream;

  // Counts the end of a question.
  void Finish(grpc::ServerUnaryReactor* reactor, const absl::Status& status);
  // Has the streams look for a change.
  void TellStreams();

  ShardTotals& totals_;
  const base::Clock& clock_;
  prometheus::Counter& answered_;
  prometheus::Counter& failed_;
  absl::Mutex mu_;
  bool is_ended_ ABSL_GUARDED_BY(mu_) = false;
  std::set<std::shared_ptr<ActiveStream>> streams_ ABSL_GUARDED_BY(mu_);
  base::Ticker ticker_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SCALER_SERVICE_H_
