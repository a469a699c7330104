// A DNS server on loopback that answers as a test says.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_SCRIPTED_SERVER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_SCRIPTED_SERVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace turnpike::delivery::testing_dns {

// UDP, and TCP on the same port, each on a thread of its own.
class ScriptedServer {
 public:
  // Makes the response to a question; an empty one is not sent. Called on the server's threads.
  using Answer = std::function<std::string(const DnsQuestion& question, uint16_t id, bool is_tcp)>;

  explicit ScriptedServer(Answer answer);
  ~ScriptedServer();

  std::string address() const;  // `127.0.0.1:40123`
  int asked() const { return asked_; }

 private:
  bool Bind();
  std::string Respond(absl::string_view query, bool is_tcp);
  void ServeUdp();
  void ServeTcp();

  const Answer answer_;
  int udp_;
  int tcp_;
  uint16_t port_ = 0;
  std::atomic<bool> is_ended_{false};
  std::atomic<int> asked_{0};
  std::thread udp_thread_;
  std::thread tcp_thread_;
};

}  // namespace turnpike::delivery::testing_dns

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_SCRIPTED_SERVER_H_
