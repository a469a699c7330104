#include "services/gateway-dequeue/collect/frontend_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <utility>

#include "absl/time/clock.h"
#include "protos/turnpike/frontend/v1/frontend.grpc.pb.h"
#include "services/common/rpc/status.h"

namespace turnpike::dequeue {

class FrontendClient::Stub {
 public:
  explicit Stub(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(frontend::v1::FrontendService::NewStub(channel)) {}
  frontend::v1::FrontendService::StubInterface::async_interface* async() { return stub_->async(); }

 private:
  const std::unique_ptr<frontend::v1::FrontendService::Stub> stub_;
};

struct FrontendClient::Call {
  grpc::ClientContext context;
  frontend::v1::CollectRequest request;
  frontend::v1::CollectResponse response;
  Callback done;
};

FrontendClient::FrontendClient(const std::shared_ptr<grpc::Channel>& channel,
                               absl::Duration run_time_max)
    : stub_(std::make_unique<Stub>(channel)), run_time_max_(run_time_max) {}

FrontendClient::~FrontendClient() {
  absl::MutexLock lock(&mu_);
  for (const std::shared_ptr<Call>& call : calls_) call->context.TryCancel();
  mu_.Await(absl::Condition(this, &FrontendClient::HasNoCalls));
}

void FrontendClient::Collect(const std::string& collection, const std::string& run_id,
                             Callback done) {
  auto call = std::make_shared<Call>();
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + run_time_max_));
  call->request.set_collection(collection);
  call->request.set_run_id(run_id);
  call->done = std::move(done);
  {
    absl::MutexLock lock(&mu_);
    calls_.insert(call);
  }
  stub_->async()->Collect(&call->context, &call->request, &call->response,
                          [this, call](const grpc::Status& status) {
                            if (status.ok()) {
                              call->done(std::move(*call->response.mutable_run()));
                            } else {
                              call->done(rpc::FromGrpc(status));
                            }
                            Forget(call);
                          });
}

void FrontendClient::Cancel(const std::string& run_id) {
  absl::MutexLock lock(&mu_);
  for (const std::shared_ptr<Call>& call : calls_) {
    if (call->request.run_id() == run_id) call->context.TryCancel();
  }
}

void FrontendClient::Forget(const std::shared_ptr<Call>& call) {
  absl::MutexLock lock(&mu_);
  calls_.erase(call);
}

}  // namespace turnpike::dequeue
