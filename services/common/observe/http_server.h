// The pages that operators' tools read: /metrics (Prometheus), /livez, /readyz. CivetWeb with
// threads of its own, so that it answers while the service's loops are stuck: that is its point.
#ifndef TURNPIKE_SERVICES_COMMON_OBSERVE_HTTP_SERVER_H_
#define TURNPIKE_SERVICES_COMMON_OBSERVE_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace prometheus {
class Collectable;
}

namespace turnpike::observe {

// Thread-safe. Serves until it is destroyed.
class HttpServer {
 public:
  struct Options {
    std::string listen;  // host:port with a numeric host; port 0 picks one
    int threads = 3;     // requests at one time; > 0
    // Asked for each /readyz, on a thread of the server: 200 if true, else 503.
    std::function<bool()> is_ready;
    // What /metrics shows, in this order.
    std::vector<std::shared_ptr<prometheus::Collectable>> collectables;
  };

  // UNAVAILABLE when the address cannot be bound; the text says why.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Options options);
  virtual ~HttpServer() = default;

  // `127.0.0.1:40123`, with the real port.
  virtual const std::string& address() const = 0;
};

}  // namespace turnpike::observe

#endif  // TURNPIKE_SERVICES_COMMON_OBSERVE_HTTP_SERVER_H_
