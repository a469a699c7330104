#include "services/gateway-dequeue/rpc/dequeue_service.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "services/common/rpc/status.h"
#include "services/gateway-dequeue/rpc/etrn_call.h"
#include "services/gateway-dequeue/rpc/gateway_reports.h"
#include "services/gateway-dequeue/rpc/operator_calls.h"

namespace turnpike::dequeue {
namespace {

constexpr int kPageSizeMax = 1000;
constexpr int kPageSizeDefault = 100;
// When a caller names no deadline.
constexpr absl::Duration kTimeoutMax = absl::Seconds(30);

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  return std::min(absl::FromChrono(context.deadline()), absl::Now() + kTimeoutMax);
}

// Calls `start` with the gateway that has this domain or alias; NOT_FOUND when there is none.
template <typename Start>
grpc::ServerUnaryReactor* ForGateway(const Parts& parts, const std::string& domain,
                                     grpc::CallbackServerContext* context, const Start& start) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const GatewayPointer gateway = parts.settings.Get()->gateways.Find(absl::string_view(domain));
  if (gateway == nullptr) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no gateway has this domain"));
  } else {
    start(gateway, DeadlineOf(*context), reactor);
  }
  return reactor;
}

// Ends a call by the gateway's state, if what was to be done is done.
template <typename Response>
StatusCallback ThenReport(const Parts& parts, const GatewayPointer& gateway, absl::Time deadline,
                          Response* response, grpc::ServerUnaryReactor* reactor) {
  return [&parts, gateway, deadline, response, reactor](absl::Status status) {
    if (!status.ok()) return reactor->Finish(rpc::ToGrpc(status));
    ReportGateways({gateway}, parts, deadline,
                   [response, reactor](absl::StatusOr<std::vector<v1::Gateway>> reports) {
                     if (reports.ok()) *response->mutable_gateway() = reports->front();
                     reactor->Finish(rpc::ToGrpc(reports.status()));
                   });
  };
}

}  // namespace

grpc::ServerUnaryReactor* DequeueService::RequestEtrn(grpc::CallbackServerContext* context,
                                                      const v1::RequestEtrnRequest* request,
                                                      v1::RequestEtrnResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  AnswerEtrn(parts_, *request, DeadlineOf(*context),
             [response, reactor](v1::RequestEtrnResponse answer) {
               response->Swap(&answer);
               reactor->Finish(grpc::Status::OK);
             });
  return reactor;
}

grpc::ServerBidiReactor<v1::RunAtrnRequest, v1::RunAtrnResponse>* DequeueService::RunAtrn(
    grpc::CallbackServerContext*) {
  auto [reactor, stream] = AtrnRun::Stream::Create();
  auto run = std::make_shared<AtrnRun>(parts_, stream);
  bool is_draining;
  {
    absl::MutexLock lock(&mu_);
    is_draining = is_draining_;
    runs_.insert(run);
  }
  if (is_draining) run->Revoke();
  stream->Start({.on_message =
                     [run](v1::RunAtrnRequest& request) {
                       run->OnMessage(request);
                       return true;
                     },
                 .on_half_close = [run] { run->OnHalfClose(); },
                 .on_closed =
                     [this, run] {
                       run->OnClosed();
                       Forget(run.get());
                     }});
  return reactor;
}

grpc::ServerUnaryReactor* DequeueService::ListGateways(grpc::CallbackServerContext* context,
                                                       const v1::ListGatewaysRequest* request,
                                                       v1::ListGatewaysResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (request->page_size() < 0 || request->page_size() > kPageSizeMax) {
    reactor->Finish(
        grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "page_size must be in 0..1000"));
    return reactor;
  }
  const size_t page_size = request->page_size() == 0 ? kPageSizeDefault : request->page_size();
  // The token is the last domain of the page before.
  std::vector<GatewayPointer> page;
  const std::shared_ptr<const Settings> settings = parts_.settings.Get();
  const std::map<std::string, GatewayPointer>& all = settings->gateways.all();
  auto place = all.upper_bound(request->page_token());
  for (; place != all.end() && page.size() < page_size; ++place) page.push_back(place->second);
  if (place != all.end()) response->set_next_page_token(page.back()->domain());
  ReportGateways(page, parts_, DeadlineOf(*context),
                 [response, reactor](absl::StatusOr<std::vector<v1::Gateway>> reports) {
                   if (reports.ok()) {
                     response->mutable_gateways()->Add(reports->begin(), reports->end());
                   }
                   reactor->Finish(rpc::ToGrpc(reports.status()));
                 });
  return reactor;
}

grpc::ServerUnaryReactor* DequeueService::GetGateway(grpc::CallbackServerContext* context,
                                                     const v1::GetGatewayRequest* request,
                                                     v1::GetGatewayResponse* response) {
  const auto start = [=, this](const GatewayPointer& gateway, absl::Time deadline,
                               grpc::ServerUnaryReactor* reactor) {
    ThenReport(parts_, gateway, deadline, response, reactor)(absl::OkStatus());
  };
  return ForGateway(parts_, request->domain(), context, start);
}

grpc::ServerUnaryReactor* DequeueService::ReleaseGateway(grpc::CallbackServerContext* context,
                                                         const v1::ReleaseGatewayRequest* request,
                                                         v1::ReleaseGatewayResponse* response) {
  const auto start = [=, this](const GatewayPointer& gateway, absl::Time deadline,
                               grpc::ServerUnaryReactor* reactor) {
    ReleaseByOperator(parts_, gateway, *request, deadline,
                      [response, reactor](absl::StatusOr<v1::ReleaseGatewayResponse> released) {
                        if (released.ok()) response->Swap(&*released);
                        reactor->Finish(rpc::ToGrpc(released.status()));
                      });
  };
  return ForGateway(parts_, request->domain(), context, start);
}

grpc::ServerUnaryReactor* DequeueService::SuspendGateway(grpc::CallbackServerContext* context,
                                                         const v1::SuspendGatewayRequest* request,
                                                         v1::SuspendGatewayResponse* response) {
  const auto start = [=, this](const GatewayPointer& gateway, absl::Time deadline,
                               grpc::ServerUnaryReactor* reactor) {
    Suspend(parts_, gateway, *request, deadline,
            [this, gateway, report = ThenReport(parts_, gateway, deadline, response, reactor)](
                absl::Status status) mutable {
              if (status.ok()) RevokeSessionsOf(gateway->domain());
              report(std::move(status));
            });
  };
  return ForGateway(parts_, request->domain(), context, start);
}

grpc::ServerUnaryReactor* DequeueService::ResumeGateway(grpc::CallbackServerContext* context,
                                                        const v1::ResumeGatewayRequest* request,
                                                        v1::ResumeGatewayResponse* response) {
  const auto start = [=, this](const GatewayPointer& gateway, absl::Time deadline,
                               grpc::ServerUnaryReactor* reactor) {
    Resume(parts_, gateway, deadline, ThenReport(parts_, gateway, deadline, response, reactor));
  };
  return ForGateway(parts_, request->domain(), context, start);
}

grpc::ServerUnaryReactor* DequeueService::AddAccessEntry(grpc::CallbackServerContext* context,
                                                         const v1::AddAccessEntryRequest* request,
                                                         v1::AddAccessEntryResponse* response) {
  const auto start = [=, this](const GatewayPointer& gateway, absl::Time deadline,
                               grpc::ServerUnaryReactor* reactor) {
    AddAccess(parts_, gateway, *request, deadline,
              ThenReport(parts_, gateway, deadline, response, reactor));
  };
  return ForGateway(parts_, request->domain(), context, start);
}

grpc::ServerUnaryReactor* DequeueService::RemoveAccessEntry(
    grpc::CallbackServerContext* context, const v1::RemoveAccessEntryRequest* request,
    v1::RemoveAccessEntryResponse* response) {
  const auto start = [=, this](const GatewayPointer& gateway, absl::Time deadline,
                               grpc::ServerUnaryReactor* reactor) {
    RemoveAccess(parts_, gateway, *request, deadline,
                 ThenReport(parts_, gateway, deadline, response, reactor));
  };
  return ForGateway(parts_, request->domain(), context, start);
}

void DequeueService::RevokeSessionsOf(absl::string_view gateway) {
  std::vector<std::shared_ptr<AtrnRun>> runs;
  {
    absl::MutexLock lock(&mu_);
    runs.assign(runs_.begin(), runs_.end());
  }
  for (const std::shared_ptr<AtrnRun>& run : runs) run->RevokeOf(gateway);
}

bool DequeueService::has_sessions() const {
  absl::MutexLock lock(&mu_);
  return !runs_.empty();
}

void DequeueService::Forget(AtrnRun* run) {
  std::shared_ptr<AtrnRun> forgotten;  // destroyed without the lock
  absl::MutexLock lock(&mu_);
  const auto found = absl::c_find_if(
      runs_, [run](const std::shared_ptr<AtrnRun>& each) { return each.get() == run; });
  if (found == runs_.end()) return;
  forgotten = *found;
  runs_.erase(found);
}

void DequeueService::Drain(absl::Time deadline) {
  std::vector<std::shared_ptr<AtrnRun>> runs;
  {
    absl::MutexLock lock(&mu_);
    is_draining_ = true;
    runs.assign(runs_.begin(), runs_.end());
  }
  for (const std::shared_ptr<AtrnRun>& run : runs) run->Revoke();
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithDeadline(absl::Condition(this, &DequeueService::HasNoRuns), deadline);
}

}  // namespace turnpike::dequeue
