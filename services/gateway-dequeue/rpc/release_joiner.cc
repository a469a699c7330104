#include "services/gateway-dequeue/rpc/release_joiner.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/message_id.h"

namespace turnpike::dequeue {

void ReleaseJoiner::Release(const std::string& gateway, const mail::v1::Route& route,
                            absl::Time deadline, Callback done) {
  Waiting waiting;
  waiting.request.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  waiting.request.mutable_queue()->set_name(gateway);
  *waiting.request.mutable_route() = route;
  waiting.deadline = deadline;
  const std::string key = absl::StrCat(gateway, "\n", route.SerializeAsString());
  {
    absl::MutexLock lock(&mu_);
    const auto [place, is_first] = under_way_.try_emplace(key);
    if (!is_first) {
      Waiting& next = place->second;
      if (next.callbacks.empty()) next = std::move(waiting);
      next.deadline = std::max(next.deadline, deadline);
      next.callbacks.push_back(std::move(done));
      return;
    }
  }
  waiting.callbacks.push_back(std::move(done));
  Start(key, std::move(waiting));
}

void ReleaseJoiner::Start(const std::string& key, Waiting waiting) {
  waiting.request.set_request_id(base::MessageId::Generate(absl::Now()).ToString());
  spool_.ReleaseQueue(std::move(waiting.request), waiting.deadline,
                      [this, key, callbacks = std::move(waiting.callbacks)](
                          absl::StatusOr<spool::v1::ReleaseQueueResponse> response) mutable {
                        for (Callback& callback : callbacks) callback(response);
                        Finish(key, response.status());
                      });
}

void ReleaseJoiner::Finish(const std::string& key, const absl::Status& status) {
  Waiting next;
  {
    absl::MutexLock lock(&mu_);
    const auto found = under_way_.find(key);
    if (found->second.callbacks.empty()) {
      under_way_.erase(found);
      return;
    }
    next = std::exchange(found->second, Waiting());
    if (absl::IsCancelled(status)) under_way_.erase(found);
  }
  if (absl::IsCancelled(status)) {  // the spool is being destroyed
    for (Callback& callback : next.callbacks) callback(status);
    return;
  }
  Start(key, std::move(next));
}

}  // namespace turnpike::dequeue
