#include "services/smtp-frontend/rpc/frontend_service.h"

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "protos/turnpike/frontend/v1/frontend.grpc.pb.h"
#include "services/common/rpc/status.h"
#include "services/smtp-frontend/listener/server.h"
#include "services/smtp-frontend/rpc/session_page.h"

namespace turnpike::frontend {
namespace {

// A running Collect call. The caller's giving up ends the collection after the message in progress,
// and the call at once.
class CollectCall : public grpc::ServerUnaryReactor {
 public:
  CollectCall(Server& server, std::string run_id, v1::CollectResponse* response)
      : server_(server), run_id_(std::move(run_id)), response_(response) {}

  // The collection's end, which may come after the call's.
  static Server::CollectCallback WhenDone(std::shared_ptr<CollectCall> call) {
    return [call = std::move(call)](absl::StatusOr<dequeue::v1::Run> run) {
      call->Finish(std::move(run));
    };
  }

  void Hold(std::shared_ptr<CollectCall> self) { self_ = std::move(self); }

  void OnCancel() override {
    server_.EndCollection(run_id_);
    Finish(absl::CancelledError("the caller has given up"));
  }
  void OnDone() override { const std::shared_ptr<CollectCall> last = std::move(self_); }

 private:
  void Finish(absl::StatusOr<dequeue::v1::Run> run) {
    {
      absl::MutexLock lock(&mu_);
      if (is_finished_) return;
      is_finished_ = true;
    }
    if (run.ok()) *response_->mutable_run() = *std::move(run);
    grpc::ServerUnaryReactor::Finish(rpc::ToGrpc(run.status()));
  }

  Server& server_;
  const std::string run_id_;
  v1::CollectResponse* const response_;  // valid until the call is finished
  std::shared_ptr<CollectCall> self_;    // until gRPC is done with it
  absl::Mutex mu_;
  bool is_finished_ ABSL_GUARDED_BY(mu_) = false;
};

class FrontendServiceImpl : public v1::FrontendService::CallbackService {
 public:
  explicit FrontendServiceImpl(Server& server) : server_(server) {}

  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context,
                                         const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    server_.Describe([reactor, request, response](std::vector<v1::Session> sessions) {
      absl::StatusOr<v1::ListSessionsResponse> page = PageOf(std::move(sessions), *request);
      if (page.ok()) *response = *std::move(page);
      reactor->Finish(rpc::ToGrpc(page.status()));
    });
    return reactor;
  }

  grpc::ServerUnaryReactor* Collect(grpc::CallbackServerContext*, const v1::CollectRequest* request,
                                    v1::CollectResponse* response) override {
    auto call = std::make_shared<CollectCall>(server_, request->run_id(), response);
    call->Hold(call);
    CollectCall* const reactor = call.get();
    server_.Collect(request->collection(), request->run_id(),
                    CollectCall::WhenDone(std::move(call)));
    return reactor;
  }

 private:
  Server& server_;
};

}  // namespace

std::unique_ptr<grpc::Service> CreateFrontendService(Server& server) {
  return std::make_unique<FrontendServiceImpl>(server);
}

}  // namespace turnpike::frontend
