// turnpike.dequeue.v1.DequeueService.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_DEQUEUE_SERVICE_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_DEQUEUE_SERVICE_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.grpc.pb.h"
#include "services/gateway-dequeue/rpc/atrn_run.h"
#include "services/gateway-dequeue/rpc/parts.h"

namespace turnpike::dequeue {

// Thread-safe.
class DequeueService : public v1::DequeueService::CallbackService {
 public:
  // `parts` outlives the service.
  explicit DequeueService(const Parts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* RequestEtrn(grpc::CallbackServerContext* context,
                                        const v1::RequestEtrnRequest* request,
                                        v1::RequestEtrnResponse* response) override;
  grpc::ServerBidiReactor<v1::RunAtrnRequest, v1::RunAtrnResponse>* RunAtrn(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* ListGateways(grpc::CallbackServerContext* context,
                                         const v1::ListGatewaysRequest* request,
                                         v1::ListGatewaysResponse* response) override;
  grpc::ServerUnaryReactor* GetGateway(grpc::CallbackServerContext* context,
                                       const v1::GetGatewayRequest* request,
                                       v1::GetGatewayResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseGateway(grpc::CallbackServerContext* context,
                                           const v1::ReleaseGatewayRequest* request,
                                           v1::ReleaseGatewayResponse* response) override;
  grpc::ServerUnaryReactor* SuspendGateway(grpc::CallbackServerContext* context,
                                           const v1::SuspendGatewayRequest* request,
                                           v1::SuspendGatewayResponse* response) override;
  grpc::ServerUnaryReactor* ResumeGateway(grpc::CallbackServerContext* context,
                                          const v1::ResumeGatewayRequest* request,
                                          v1::ResumeGatewayResponse* response) override;
  grpc::ServerUnaryReactor* AddAccessEntry(grpc::CallbackServerContext* context,
                                           const v1::AddAccessEntryRequest* request,
                                           v1::AddAccessEntryResponse* response) override;
  grpc::ServerUnaryReactor* RemoveAccessEntry(grpc::CallbackServerContext* context,
                                              const v1::RemoveAccessEntryRequest* request,
                                              v1::RemoveAccessEntryResponse* response) override;

  // Ends the running ATRN sessions of a gateway after the message in progress; those that have not
  // begun are refused.
  void RevokeSessionsOf(absl::string_view gateway);
  bool has_sessions() const;

  // Refuses new ATRN sessions (451) and revokes the running ones; waits until all are over, or
  // `deadline`.
  void Drain(absl::Time deadline);

 private:
  void Forget(AtrnRun* run);
  bool HasNoRuns() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return runs_.empty(); }

  const Parts& parts_;
  mutable absl::Mutex mu_;
  bool is_draining_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<std::shared_ptr<AtrnRun>> runs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_DEQUEUE_SERVICE_H_
