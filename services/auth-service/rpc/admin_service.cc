#include "services/auth-service/rpc/admin_service.h"

#include <grpcpp/support/server_callback.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "prometheus/counter.h"
#include "protos/turnpike/auth/v1/admin.grpc.pb.h"
#include "services/common/rpc/status.h"

namespace turnpike::auth {
namespace {

constexpr absl::Duration kStateTimeout = absl::Seconds(5);

// Ends a call with what an operation's callback gets. `response` is valid until then.
template <typename Response>
auto EndWith(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<Response> result) {
    if (result.ok()) response->Swap(&*result);
    reactor->Finish(rpc::ToGrpc(result.status()));
  };
}

class AdminService : public v1::AuthAdminService::CallbackService {
 public:
  explicit AdminService(AdminServiceParts parts) : parts_(std::move(parts)) {}

  grpc::ServerUnaryReactor* ListScreenEntries(grpc::CallbackServerContext* context,
                                              const v1::ListScreenEntriesRequest* request,
                                              v1::ListScreenEntriesResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.screen.List(*request, EndWith(reactor, response));
    return reactor;
  }

  grpc::ServerUnaryReactor* AddScreenEntry(grpc::CallbackServerContext* context,
                                           const v1::AddScreenEntryRequest* request,
                                           v1::AddScreenEntryResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.screen.Add(*request, EndWith(reactor, response));
    return reactor;
  }

  grpc::ServerUnaryReactor* RemoveScreenEntry(grpc::CallbackServerContext* context,
                                              const v1::RemoveScreenEntryRequest* request,
                                              v1::RemoveScreenEntryResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.screen.Remove(*request, EndWith(reactor, response));
    return reactor;
  }

  grpc::ServerUnaryReactor* ReportMailboxLogin(grpc::CallbackServerContext* context,
                                               const v1::ReportMailboxLoginRequest* request,
                                               v1::ReportMailboxLoginResponse*) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    const std::shared_ptr<SharedLogins> logins = parts_.logins();
    if (logins == nullptr) {
      reactor->Finish(
          rpc::ToGrpc(absl::FailedPreconditionError("auth.pop_before_smtp.enabled is false")));
      return reactor;
    }
    logins->Report(request->account(), request->client_address(), absl::Now() + kStateTimeout,
                   [this, logins, reactor](const absl::Status& status) {
                     if (status.ok()) parts_.mailbox_metrics.logins.Increment();
                     reactor->Finish(rpc::ToGrpc(status));
                   });
    return reactor;
  }

  grpc::ServerUnaryReactor* ExplainVerdict(grpc::CallbackServerContext* context,
                                           const v1::ExplainVerdictRequest* request,
                                           v1::ExplainVerdictResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    parts_.explain(*request, EndWith(reactor, response));
    return reactor;
  }

 private:
  const AdminServiceParts parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> CreateAdminService(AdminServiceParts parts) {
  return std::make_unique<AdminService>(std::move(parts));
}

}  // namespace turnpike::auth
