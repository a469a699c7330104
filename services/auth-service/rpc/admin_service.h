// turnpike.auth.v1.AuthAdminService: what operators and mailbox servers tell auth-service.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_ADMIN_SERVICE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_ADMIN_SERVICE_H_

#include <functional>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/auth/v1/admin.pb.h"
#include "services/auth-service/mailbox/metrics.h"
#include "services/auth-service/mailbox/shared_logins.h"
#include "services/auth-service/screen/shared_screen.h"

namespace grpc {
class Service;
}

namespace turnpike::auth {

struct AdminServiceParts {
  // They outlive the service and its calls.
  SharedScreen& screen;
  // Gives null while auth.pop_before_smtp is off.
  std::function<std::shared_ptr<SharedLogins>()> logins;
  MailboxMetrics& mailbox_metrics;
  // Calls `done` once, on any thread.
  using ExplainDone = absl::AnyInvocable<void(absl::StatusOr<v1::ExplainVerdictResponse>)>;
  std::function<void(v1::ExplainVerdictRequest request, ExplainDone done)> explain;
};

// Thread-safe.
std::unique_ptr<grpc::Service> CreateAdminService(AdminServiceParts parts);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_ADMIN_SERVICE_H_
