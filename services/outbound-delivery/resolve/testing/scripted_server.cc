#include "services/outbound-delivery/resolve/testing/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/outbound-delivery/resolve/testing/dns_builder.h"

namespace turnpike::delivery::testing_dns {

ScriptedServer::ScriptedServer(Answer answer) : answer_(std::move(answer)) {
  // The port that UDP was given may be taken for TCP: then another one.
  constexpr int kTries = 50;
  bool is_bound = false;
  for (int i = 0; i < kTries && !is_bound; ++i) {
    if (i > 0) {
      close(udp_);
      close(tcp_);
    }
    is_bound = Bind();
  }
  TURNPIKE_CHECK(is_bound);
  udp_thread_ = std::thread([this] { ServeUdp(); });
  tcp_thread_ = std::thread([this] { ServeTcp(); });
}

bool ScriptedServer::Bind() {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  tcp_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(tcp_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(udp_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return false;
  getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  return bind(tcp_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
         listen(tcp_, 8) == 0;
}

ScriptedServer::~ScriptedServer() {
  is_ended_ = true;
  shutdown(udp_, SHUT_RDWR);
  shutdown(tcp_, SHUT_RDWR);
  // A datagram to itself wakes the receiver where shutdown does not.
  const int waker = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port_);
  sendto(waker, "", 0, 0, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  close(waker);
  udp_thread_.join();
  tcp_thread_.join();
  close(udp_);
  close(tcp_);
}

std::string ScriptedServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

std::string ScriptedServer::Respond(absl::string_view query, bool is_tcp) {
  ++asked_;
  const uint16_t id = static_cast<uint16_t>(static_cast<unsigned char>(query[0]) << 8 |
                                            static_cast<unsigned char>(query[1]));
  return answer_(testing_dns::ReadQuestion(query), id, is_tcp);
}

void ScriptedServer::ServeUdp() {
  char buffer[1500];
  while (!is_ended_) {
    sockaddr_in peer = {};
    socklen_t length = sizeof(peer);
    const ssize_t received =
        recvfrom(udp_, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&peer), &length);
    if (received < 12) continue;
    const std::string response =
        Respond(absl::string_view(buffer, static_cast<size_t>(received)), false);
    if (response.empty()) continue;
    sendto(udp_, response.data(), response.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
  }
}

void ScriptedServer::ServeTcp() {
  while (!is_ended_) {
    const int connection = accept(tcp_, nullptr, nullptr);
    if (connection < 0) continue;
    char buffer[1500];
    const ssize_t received = recv(connection, buffer, sizeof(buffer), 0);
    if (received > 14) {
      const std::string response =
          Respond(absl::string_view(buffer + 2, static_cast<size_t>(received) - 2), true);
      const std::string framed =
          absl::StrCat(std::string(1, static_cast<char>(response.size() >> 8)),
                       std::string(1, static_cast<char>(response.size() & 0xff)), response);
      send(connection, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
    close(connection);
  }
}

}  // namespace turnpike::delivery::testing_dns
