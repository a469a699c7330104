// The other end of an SMTP session, played from a script.
#ifndef TURNPIKE_SERVICES_COMMON_NET_TESTING_SCRIPTED_PEER_H_
#define TURNPIKE_SERVICES_COMMON_NET_TESTING_SCRIPTED_PEER_H_

#include <asio/awaitable.hpp>
#include <memory>
#include <string>

#include "services/common/net/stream.h"
#include "services/common/net/tls_context.h"

namespace turnpike::net::testing {

// Plays `script` on `stream`, then closes it in order. A line of the script is one of
//   S: text      send the line
//   C: text      the other side must send exactly this line next; `*` at its end stands for
//   anything S- text      send the octets, with C's escapes, without an end of line TLS shake hands
//   as the server that `context` says END          the other side must close next PAUSE        send
//   nothing for 100 ms RESET        close, without reading what has come
// What differs from it fails the test. `heard`, if given, gets all lines of the other side.
asio::awaitable<void> PlayScript(Stream* stream, std::string script,
                                 std::shared_ptr<const TlsContext> context = nullptr,
                                 std::string* heard = nullptr);

}  // namespace turnpike::net::testing

#endif  // TURNPIKE_SERVICES_COMMON_NET_TESTING_SCRIPTED_PEER_H_
