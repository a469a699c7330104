// Two connected TCP sockets on loopback.
#ifndef TURNPIKE_SERVICES_COMMON_NET_TESTING_SOCKET_PAIR_H_
#define TURNPIKE_SERVICES_COMMON_NET_TESTING_SOCKET_PAIR_H_

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <utility>

namespace turnpike::net::testing {

inline std::pair<asio::ip::tcp::socket, asio::ip::tcp::socket> ConnectedSockets(
    asio::io_context& context) {
  asio::ip::tcp::acceptor acceptor(context,
                                   asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  asio::ip::tcp::socket client(context);
  client.connect(acceptor.local_endpoint());
  asio::ip::tcp::socket server = acceptor.accept();
  server.set_option(asio::ip::tcp::no_delay(true));
  client.set_option(asio::ip::tcp::no_delay(true));
  return {std::move(server), std::move(client)};
}

}  // namespace turnpike::net::testing

#endif  // TURNPIKE_SERVICES_COMMON_NET_TESTING_SOCKET_PAIR_H_
