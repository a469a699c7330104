// Asks DNS servers by c-ares, on an asio executor: its sockets are waited for, never polled.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_ARES_DNS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_ARES_DNS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace asio {
class io_context;
}

namespace turnpike::delivery {

// Names are absolute: no search list, no hosts file. Several servers are asked in turn; a truncated
// answer is asked for again over TCP. EDNS is used.
class AresDns : public Dns {
 public:
  struct Options {
    // host:port, [ipv6]:port or an address; none: those of /etc/resolv.conf.
    std::vector<std::string> servers;
    absl::Duration timeout = absl::Seconds(15);  // for one question, over all tries, about
  };

  // INVALID_ARGUMENT when a server is no address. Runs on `context`, which outlives this and runs,
  // on another thread, when this is destroyed.
  static absl::StatusOr<std::unique_ptr<AresDns>> Create(const Options& options,
                                                         asio::io_context& context);
  ~AresDns() override;

  void Ask(const DnsQuestion& question, Callback done) override;

 private:
  class Channel;
  explicit AresDns(std::shared_ptr<Channel> channel);
  const std::shared_ptr<Channel> channel_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_ARES_DNS_H_
