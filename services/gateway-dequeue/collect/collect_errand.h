// A collection, which an smtp-frontend runs for us. (DQ-50)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_COLLECT_ERRAND_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_COLLECT_ERRAND_H_

#include <string>
#include <utility>

#include "services/gateway-dequeue/collect/errand.h"
#include "services/gateway-dequeue/collect/frontend_client.h"

namespace turnpike::dequeue {

class CollectErrand : public Errand {
 public:
  // `frontend` outlives this.
  CollectErrand(std::string collection, FrontendClient& frontend)
      : collection_(std::move(collection)), frontend_(frontend) {}

  asio::awaitable<ErrandResult> Run(std::string run_id) override;
  void Cancel() override;

 private:
  const std::string collection_;
  FrontendClient& frontend_;
  std::string run_id_;  // of the run in progress
  bool is_cancelled_ = false;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_COLLECT_ERRAND_H_
