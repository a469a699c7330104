// ETRN said to a server that holds our mail. (DQ-51) [RFC1985]
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ETRN_ERRAND_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ETRN_ERRAND_H_

#include <memory>
#include <string>
#include <vector>

#include "services/common/upstream/connection.h"
#include "services/gateway-dequeue/collect/errand.h"

namespace turnpike::dequeue {

// How the replies to a request's ETRNs end the run: refused if any was, no mail if there was none
// for all.
v1::RunEnding EndingOfReplies(const std::vector<v1::RequestReply>& replies);

class EtrnErrand : public Errand {
 public:
  // `domains` as configured, at least one; `host_name` is ours.
  EtrnErrand(upstream::Server server, std::string host_name, std::vector<std::string> domains);

  asio::awaitable<ErrandResult> Run(std::string run_id) override;
  void Cancel() override;

 private:
  asio::awaitable<ErrandResult> Ask();

  const upstream::Server server_;
  const std::string host_name_;
  const std::vector<std::string> domains_;
  std::unique_ptr<upstream::Connection> connection_;  // during a run
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ETRN_ERRAND_H_
