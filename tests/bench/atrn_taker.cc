// Collects all mail of a gateway by ATRN and drops it, as fast as one thread can: the customer's
// end of the drain benchmark. Ends when the server says that nothing is held (453).
//
//   atrn_taker --port 366 --login held.test --password secret
//
// With `--listen` it waits for one ordinary SMTP client instead, and drops what that sends.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <variant>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/server_engine.h"

ABSL_FLAG(int, port, 366, "of the ODMR listener on 127.0.0.1");
ABSL_FLAG(int, listen, 0, "port on 127.0.0.1 to wait at for an SMTP client; 0: collect by ATRN");
ABSL_FLAG(std::string, login, "", "the gateway's domain");
ABSL_FLAG(std::string, password, "", "the gateway's password");

namespace {

using turnpike::smtp::ServerEngine;
using turnpike::smtp::ServerEvent;
namespace event = turnpike::smtp::event;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "atrn_taker: %s\n", what.c_str());
  std::exit(1);
}

// A blocking connection with lines.
class Connection {
 public:
  static Connection To(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(port);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      Fail("cannot connect");
    }
    return Connection(fd);
  }
  // The first client that comes to the port.
  static Connection From(int port) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const sockaddr_in address = Loopback(port);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(listener, 1) != 0) {
      Fail("cannot listen");
    }
    const int fd = accept(listener, nullptr, nullptr);
    close(listener);
    if (fd < 0) Fail("cannot accept");
    return Connection(fd);
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Write(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written <= 0) Fail("cannot write");
      bytes.remove_prefix(static_cast<size_t>(written));
    }
  }

  // What has come in; empty at the end of the stream.
  absl::string_view Read() {
    const ssize_t count = read(fd_, buffer_, sizeof(buffer_));
    return {buffer_, count > 0 ? static_cast<size_t>(count) : 0};
  }

  // The last line of a reply; nothing must be pipelined behind it.
  std::string Ask(const std::string& command) {
    if (!command.empty()) Write(absl::StrCat(command, "\r\n"));
    std::string reply;
    for (;;) {
      absl::string_view bytes = Read();
      if (bytes.empty()) Fail("the server has closed");
      absl::StrAppend(&reply, bytes);
      const size_t last =
          reply.size() < 2 ? std::string::npos : reply.rfind('\n', reply.size() - 2);
      const std::string line = reply.substr(last == std::string::npos ? 0 : last + 1);
      if (line.size() >= 5 && line.back() == '\n' && line[3] == ' ') return line;
    }
  }

 private:
  explicit Connection(int fd) : fd_(fd) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }

  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  const int fd_;
  char buffer_[64 << 10];
};

std::string CramResponse(const std::string& challenge) {
  const std::string password = absl::GetFlag(FLAGS_password);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_md5(), password.data(), static_cast<int>(password.size()),
       reinterpret_cast<const unsigned char*>(challenge.data()), challenge.size(), digest, &length);
  return absl::Base64Escape(
      absl::StrCat(absl::GetFlag(FLAGS_login), " ",
                   absl::BytesToHexString({reinterpret_cast<const char*>(digest), length})));
}

// Plays the server on the turned connection until the other side has gone.
void TakeMail(Connection& connection) {
  auto options = std::make_shared<turnpike::smtp::ServerOptions>();
  options->host_name = "taker.test";
  options->offered.pipelining = true;
  options->offered.eight_bit_mime = true;
  ServerEngine engine(options);
  std::string content;
  for (;;) {
    ServerEvent next = engine.Next();
    if (std::holds_alternative<event::NeedInput>(next)) {
      connection.Write(engine.output());
      engine.ClearOutput();
      absl::string_view bytes = connection.Read();
      if (bytes.empty()) return;
      engine.Receive(bytes);
    } else if (std::holds_alternative<event::Close>(next)) {
      connection.Write(engine.output());
      return;
    } else if (std::holds_alternative<event::ContentStart>(next)) {
      content.clear();
      engine.AcceptContent(&content);
    } else if (std::holds_alternative<event::ContentChunk>(next)) {
      content.clear();
    } else if (!std::holds_alternative<event::TransactionReset>(next)) {
      engine.Accept();
    }
  }
}

// One session; false when nothing is held.
bool Collect() {
  Connection connection = Connection::To(absl::GetFlag(FLAGS_port));
  connection.Ask("");
  connection.Ask("EHLO taker.test");
  const std::string challenge_line = connection.Ask("AUTH CRAM-MD5");
  std::string challenge;
  if (!absl::StartsWith(challenge_line, "334 ") ||
      !absl::Base64Unescape(absl::string_view(challenge_line).substr(4, challenge_line.size() - 6),
                            &challenge)) {
    Fail(absl::StrCat("no challenge: ", challenge_line));
  }
  const std::string authenticated = connection.Ask(CramResponse(challenge));
  if (!absl::StartsWith(authenticated, "235")) Fail(authenticated);
  const std::string reply = connection.Ask("ATRN");
  if (absl::StartsWith(reply, "453")) return false;
  if (absl::StartsWith(reply, "450")) {  // the session before is just being closed
    usleep(5000);
    return true;
  }
  if (!absl::StartsWith(reply, "250")) Fail(reply);
  TakeMail(connection);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  if (const int port = absl::GetFlag(FLAGS_listen); port != 0) {
    Connection connection = Connection::From(port);
    TakeMail(connection);
    return 0;
  }
  while (Collect()) {
  }
  return 0;
}
