#include "services/smtp-frontend/rpc/frontend_service.h"

#include <grpcpp/support/server_callback.h>

#include <utility>
#include <vector>

#include "protos/turnpike/frontend/v1/frontend.grpc.pb.h"
#include "services/common/rpc/status.h"
#include "services/smtp-frontend/listener/server.h"
#include "services/smtp-frontend/rpc/session_page.h"

namespace turnpike::frontend {
namespace {

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

 private:
  Server& server_;
};

}  // namespace

std::unique_ptr<grpc::Service> CreateFrontendService(Server& server) {
  return std::make_unique<FrontendServiceImpl>(server);
}

}  // namespace turnpike::frontend
