// turnpike.frontend.v1.FrontendService.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_RPC_FRONTEND_SERVICE_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_RPC_FRONTEND_SERVICE_H_

#include <memory>

namespace grpc {
class Service;
}

namespace turnpike::frontend {

class Server;

// `server` outlives the service.
std::unique_ptr<grpc::Service> CreateFrontendService(Server& server);

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_RPC_FRONTEND_SERVICE_H_
