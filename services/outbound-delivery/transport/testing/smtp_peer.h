// An SMTP or LMTP server on loopback that behaves, or misbehaves, as a test says.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_TESTING_SMTP_PEER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_TESTING_SMTP_PEER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace turnpike::delivery {

// Thread-safe.
class SmtpPeer {
 public:
  // What it took, by saying 250 to (one recipient of) the end of data.
  struct Message {
    int connection = 0;                   // 1, 2, …
    std::string mail;                     // `MAIL FROM:<…> …`
    std::vector<std::string> recipients;  // `RCPT TO:<…> …`, those that were accepted
    std::string content;                  // dots removed
  };

  // What a script may answer instead of a reply.
  static constexpr char kHangUp[] = "hang up";
  static constexpr char kSilence[] = "silence";  // until the client closes

  struct Options {
    std::string address = "127.0.0.1";
    uint16_t port = 0;
    bool is_lmtp = false;
    std::vector<std::string> keywords = {"PIPELINING", "8BITMIME", "SIZE 0"};
    // Called with `greeting`, each command line, and at the end of data with `.` (LMTP: `. 0`,
    // `. 1`, … for each accepted recipient). Returns a reply without its CRLF, one of the above, or
    // nothing for what a server that likes the mail says. On the connection's thread.
    std::function<std::optional<std::string>(int connection, const std::string& command)> script;
  };

  explicit SmtpPeer(Options options);
  ~SmtpPeer();

  uint16_t port() const { return port_; }
  std::vector<Message> messages() const;
  int connections() const;
  // Closes all connections, as for having been idle for too long.
  void CloseAll();

 private:
  class Dialogue;

  void Accept();

  const Options options_;
  int socket_;
  uint16_t port_ = 0;
  mutable absl::Mutex mu_;
  std::vector<Message> messages_ ABSL_GUARDED_BY(mu_);
  std::vector<int> open_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  int connections_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_ended_ ABSL_GUARDED_BY(mu_) = false;
  std::thread acceptor_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_TESTING_SMTP_PEER_H_
