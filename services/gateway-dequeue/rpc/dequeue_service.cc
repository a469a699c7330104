#include "services/gateway-dequeue/rpc/dequeue_service.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "services/common/observe/log.h"
#include "services/common/rpc/status.h"
#include "services/common/smtp/reply_codes.h"
#include "services/gateway-dequeue/core/decision.h"
#include "services/gateway-dequeue/rpc/gateway_reports.h"
#include "services/gateway-dequeue/rpc/request_log.h"

namespace turnpike::dequeue {
namespace {

constexpr int kPageSizeMax = 1000;
constexpr int kPageSizeDefault = 100;
// When a caller names no deadline.
constexpr absl::Duration kTimeoutMax = absl::Seconds(30);

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  return std::min(absl::FromChrono(context.deadline()), absl::Now() + kTimeoutMax);
}

// The releases of one ETRN, until the last one has ended.
class EtrnAnswer {
 public:
  EtrnAnswer(const AtrnRun::Parts& parts, const v1::RequestEtrnRequest& request, size_t releases,
             v1::RequestEtrnResponse* response, grpc::ServerUnaryReactor* reactor)
      : parts_(parts),
        asker_(request.asker()),
        name_(request.name()),
        request_time_(parts.clock.Now()),
        response_(response),
        reactor_(reactor),
        releases_left_(releases) {}

  void Refuse(const Refusal& refusal) { Finish(smtp::Reply(refusal.reply), refusal.result, 0); }

  void OnReleased(const Gateway& gateway,
                  const absl::StatusOr<spool::v1::ReleaseQueueResponse>& released) {
    int64_t messages = 0;
    bool has_failed;
    {
      absl::MutexLock lock(&mu_);
      if (released.ok()) {
        gateways_.push_back(&gateway);
        messages_ += released->released() + released->pending();
        released_ += released->released();
      } else {
        status_ = released.status();
      }
      if (--releases_left_ > 0) return;
      messages = messages_;
      has_failed = !status_.ok();
    }
    if (has_failed) {
      // Some may be released: asking again joins them.
      Finish(smtp::Reply(smtp::kUnableToQueue), Result::kError, 0);
    } else {
      Finish(EtrnReply(messages, name_), messages > 0 ? Result::kStarted : Result::kNoMail,
             messages);
    }
  }

 private:
  void Finish(const smtp::Reply& reply, Result result, int64_t messages) {
    std::vector<const Gateway*> gateways;
    {
      absl::MutexLock lock(&mu_);
      gateways.swap(gateways_);
      response_->set_released(released_);
    }
    parts_.metrics.CountRequest(Protocol::kEtrn, result);
    TURNPIKE_LOG(kInfo, "ETRN",
                 {{"session", asker_.session_id()},
                  {"client", asker_.client_address()},
                  {"login", asker_.gateway_login()},
                  {"node", name_},
                  {"code", static_cast<int>(reply.code())},
                  {"messages", messages}});
    for (const Gateway* gateway : gateways) {
      RecordLastRequest(parts_.state, gateway->domain(),
                        MakeLastRequest("etrn", asker_.client_address(), request_time_, reply));
    }
    *response_->mutable_reply() = ToProto(reply);
    reactor_->Finish(grpc::Status::OK);
  }

  const AtrnRun::Parts& parts_;
  const v1::Asker asker_;
  const std::string name_;
  const absl::Time request_time_;
  v1::RequestEtrnResponse* const response_;
  grpc::ServerUnaryReactor* const reactor_;

  absl::Mutex mu_;
  size_t releases_left_ ABSL_GUARDED_BY(mu_);
  std::vector<const Gateway*> gateways_ ABSL_GUARDED_BY(mu_);  // released
  int64_t messages_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t released_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

grpc::ServerUnaryReactor* DequeueService::RequestEtrn(grpc::CallbackServerContext* context,
                                                      const v1::RequestEtrnRequest* request,
                                                      v1::RequestEtrnResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const EtrnDecision decision = DecideEtrn(parts_.gateways, *request);
  auto answer =
      std::make_shared<EtrnAnswer>(parts_, *request, decision.releases.size(), response, reactor);
  if (decision.refusal.has_value()) {
    answer->Refuse(*decision.refusal);
    return reactor;
  }
  const absl::Time deadline = DeadlineOf(*context);
  for (const EtrnRelease& release : decision.releases) {
    joiner_.Release(release.gateway->domain(), release.route, deadline,
                    [answer, gateway = release.gateway](
                        absl::StatusOr<spool::v1::ReleaseQueueResponse> released) {
                      answer->OnReleased(*gateway, released);
                    });
  }
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
  std::vector<const Gateway*> page;
  const std::map<std::string, Gateway>& all = parts_.gateways.all();
  auto place = all.upper_bound(request->page_token());
  for (; place != all.end() && page.size() < page_size; ++place) page.push_back(&place->second);
  if (place != all.end()) response->set_next_page_token(page.back()->domain());
  ReportGateways(page, parts_.spool, parts_.state, DeadlineOf(*context),
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
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Gateway* gateway = parts_.gateways.Find(absl::string_view(request->domain()));
  if (gateway == nullptr) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no gateway has this domain"));
    return reactor;
  }
  ReportGateways({gateway}, parts_.spool, parts_.state, DeadlineOf(*context),
                 [response, reactor](absl::StatusOr<std::vector<v1::Gateway>> reports) {
                   if (reports.ok()) *response->mutable_gateway() = reports->front();
                   reactor->Finish(rpc::ToGrpc(reports.status()));
                 });
  return reactor;
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
