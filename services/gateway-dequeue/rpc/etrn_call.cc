#include "services/gateway-dequeue/rpc/etrn_call.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"
#include "services/gateway-dequeue/core/decision.h"
#include "services/gateway-dequeue/rpc/request_log.h"

namespace turnpike::dequeue {
namespace {

// Lives until the last of its releases has ended.
class EtrnCall : public std::enable_shared_from_this<EtrnCall> {
 public:
  using Callback = absl::AnyInvocable<void(v1::RequestEtrnResponse)>;

  EtrnCall(const Parts& parts, const v1::RequestEtrnRequest& request, absl::Time deadline,
           Callback done)
      : parts_(parts),
        request_(request),
        request_time_(parts.clock.Now()),
        deadline_(deadline),
        done_(std::move(done)) {}

  void Run() {
    parts_.overrides.Read(
        [self = shared_from_this()](absl::StatusOr<std::shared_ptr<const Overrides>> overrides) {
          if (overrides.ok()) {
            self->Decide(**overrides);
          } else {
            self->Fail(overrides.status());
          }
        });
  }

 private:
  void Decide(const Overrides& overrides) {
    const EtrnDecision decision = DecideEtrn(parts_.settings.Get()->gateways, overrides, request_);
    if (decision.refusal.has_value()) {
      Finish(smtp::Reply(decision.refusal->reply), decision.refusal->result, 0);
      return;
    }
    {
      absl::MutexLock lock(&mu_);
      releases_left_ = decision.releases.size();
    }
    for (const EtrnRelease& release : decision.releases) {
      parts_.joiner.Release(release.gateway->domain(), release.route, deadline_,
                            [self = shared_from_this(), gateway = release.gateway](
                                absl::StatusOr<spool::v1::ReleaseQueueResponse> released) {
                              self->OnReleased(gateway, released);
                            });
    }
  }

  void OnReleased(const GatewayPointer& gateway,
                  const absl::StatusOr<spool::v1::ReleaseQueueResponse>& released) {
    int64_t messages = 0;
    absl::Status failure;
    {
      absl::MutexLock lock(&mu_);
      if (released.ok()) {
        gateways_.push_back(gateway);
        messages_ += released->released() + released->pending();
        response_.set_released(response_.released() + released->released());
      } else {
        status_ = released.status();
      }
      if (--releases_left_ > 0) return;
      messages = messages_;
      failure = status_;
    }
    if (!failure.ok()) {
      Fail(failure);
    } else {
      Finish(EtrnReply(messages, request_.name()),
             messages > 0 ? Result::kStarted : Result::kNoMail, messages);
    }
  }

  // Some may be released: asking again joins them.
  void Fail(const absl::Status& status) {
    TURNPIKE_LOG(kWarning, "ETRN cannot be answered now",
                 {{"session", request_.asker().session_id()},
                  {"node", request_.name()},
                  {"error", status.ToString()}});
    Finish(smtp::Reply(smtp::kUnableToQueue), Result::kError, 0);
  }

  void Finish(const smtp::Reply& reply, Result result, int64_t messages) {
    std::vector<GatewayPointer> gateways;
    v1::RequestEtrnResponse response;
    {
      absl::MutexLock lock(&mu_);
      gateways.swap(gateways_);
      response.Swap(&response_);
    }
    const v1::Asker& asker = request_.asker();
    parts_.metrics.CountRequest(Protocol::kEtrn, result);
    TURNPIKE_LOG(kInfo, "ETRN",
                 {{"session", asker.session_id()},
                  {"client", asker.client_address()},
                  {"login", asker.gateway_login()},
                  {"node", request_.name()},
                  {"code", static_cast<int>(reply.code())},
                  {"result", ResultName(result)},
                  {"messages", messages}});
    for (const GatewayPointer& gateway : gateways) {
      RecordLastRequest(parts_.state, gateway->domain(),
                        MakeLastRequest("etrn", asker.client_address(), request_time_, reply));
    }
    *response.mutable_reply() = ToProto(reply);
    done_(std::move(response));
  }

  const Parts& parts_;
  const v1::RequestEtrnRequest request_;
  const absl::Time request_time_;
  const absl::Time deadline_;
  Callback done_;

  absl::Mutex mu_;
  size_t releases_left_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<GatewayPointer> gateways_ ABSL_GUARDED_BY(mu_);  // released
  int64_t messages_ ABSL_GUARDED_BY(mu_) = 0;
  v1::RequestEtrnResponse response_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

void AnswerEtrn(const Parts& parts, const v1::RequestEtrnRequest& request, absl::Time deadline,
                absl::AnyInvocable<void(v1::RequestEtrnResponse)> done) {
  std::make_shared<EtrnCall>(parts, request, deadline, std::move(done))->Run();
}

}  // namespace turnpike::dequeue
