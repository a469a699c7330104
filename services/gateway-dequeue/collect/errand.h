// What a schedule starts: a run of ours at somebody else's server.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ERRAND_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ERRAND_H_

#include <asio/awaitable.hpp>
#include <string>
#include <vector>

#include "protos/turnpike/dequeue/v1/dequeue.pb.h"

namespace turnpike::dequeue {

struct ErrandResult {
  v1::Run run;  // its times are set by the caller
  std::vector<v1::RequestReply> replies;
};

// Strand-confined; one run at a time.
class Errand {
 public:
  virtual ~Errand() = default;
  virtual asio::awaitable<ErrandResult> Run(std::string run_id) = 0;
  // Ends the run soon, whose result no longer matters.
  virtual void Cancel() = 0;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ERRAND_H_
