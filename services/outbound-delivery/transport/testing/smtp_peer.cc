#include "services/outbound-delivery/transport/testing/smtp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"

namespace turnpike::delivery {

// One connection.
class SmtpPeer::Dialogue {
 public:
  Dialogue(SmtpPeer& peer, int socket, int number)
      : peer_(peer), socket_(socket), number_(number) {}

  void Run() {
    if (!Say("greeting", "220 peer.test ESMTP")) return;
    std::string line;
    while (ReadLine(&line)) {
      if (!Handle(line)) return;
    }
  }

 private:
  bool Handle(const std::string& line) {
    const std::string verb = absl::AsciiStrToUpper(line.substr(0, 4));
    if (verb == "EHLO" || verb == "LHLO") {
      std::string reply = "250-peer.test";
      for (const std::string& keyword : peer_.options_.keywords) {
        absl::StrAppend(&reply, "\r\n250-", keyword);
      }
      return Say(line, absl::StrCat(reply, "\r\n250 HELP"));
    }
    if (verb == "STAR") {
      if (!Say(line, "454 4.7.0 Not here")) return false;
      if (!was_positive_) return true;
      char octet;
      recv(socket_, &octet, 1, 0);  // the client begins; what it hears is no TLS
      send(socket_, "sorry\r\n", 7, MSG_NOSIGNAL);
      return false;
    }
    if (verb == "MAIL") {
      message_ = Message{.connection = number_};
      if (!Say(line, "250 2.1.0 Sender OK")) return false;
      if (was_positive_) message_.mail = line;
      return true;
    }
    if (verb == "RCPT") {
      if (message_.mail.empty()) return Say(line, "503 5.5.1 MAIL first");
      if (!Say(line, "250 2.1.5 Recipient OK")) return false;
      if (was_positive_) message_.recipients.push_back(line);
      return true;
    }
    if (verb == "DATA") {
      if (message_.recipients.empty()) return Say(line, "554 5.5.1 No valid recipients");
      if (!Say(line, "354 Go ahead")) return false;
      return !was_intermediate_ || TakeContent();
    }
    if (verb == "QUIT") {
      Say(line, "221 2.0.0 Bye");
      return false;
    }
    return Say(line, "250 2.0.0 OK");
  }

  bool TakeContent() {
    std::string line;
    while (true) {
      if (!ReadLine(&line)) return false;
      if (line == ".") break;
      if (absl::StartsWith(line, ".")) line.erase(0, 1);
      absl::StrAppend(&message_.content, line, "\r\n");
    }
    if (!peer_.options_.is_lmtp) {
      const std::string reply = Choose(".", "250 2.0.0 Taken");
      if (was_positive_) Keep(message_);  // before the client knows
      return Give(reply);
    }
    const std::vector<std::string> recipients = message_.recipients;
    for (size_t i = 0; i < recipients.size(); ++i) {
      const std::string reply = Choose(absl::StrCat(". ", i), "250 2.0.0 Taken");
      message_.recipients = {recipients[i]};
      if (was_positive_) Keep(message_);
      if (!Give(reply)) return false;
    }
    return true;
  }

  void Keep(const Message& message) {
    absl::MutexLock lock(&peer_.mu_);
    peer_.messages_.push_back(message);
  }

  // Answers `command` by the script, else by `reply`. False: the connection is over.
  bool Say(const std::string& command, const std::string& reply) {
    return Give(Choose(command, reply));
  }

  std::string Choose(const std::string& command, const std::string& reply) {
    std::string said = reply;
    if (peer_.options_.script) {
      const std::optional<std::string> scripted = peer_.options_.script(number_, command);
      if (scripted) said = *scripted;
    }
    was_positive_ = said[0] == '2';
    was_intermediate_ = said[0] == '3';
    return said;
  }

  bool Give(std::string said) {
    if (said == kHangUp) return false;
    if (said == kSilence) {
      std::string line;
      while (ReadLine(&line)) continue;
      return false;
    }
    absl::StrAppend(&said, "\r\n");
    return send(socket_, said.data(), said.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(said.size());
  }

  bool ReadLine(std::string* line) {
    while (true) {
      const size_t end = input_.find("\r\n", searched_);
      if (end != std::string::npos) {
        *line = input_.substr(0, end);
        input_.erase(0, end + 2);
        searched_ = 0;
        return true;
      }
      searched_ = input_.empty() ? 0 : input_.size() - 1;
      char buffer[16384];
      const ssize_t received = recv(socket_, buffer, sizeof(buffer), 0);
      if (received <= 0) return false;
      input_.append(buffer, static_cast<size_t>(received));
    }
  }

  SmtpPeer& peer_;
  const int socket_;
  const int number_;
  std::string input_;
  size_t searched_ = 0;
  Message message_;
  bool was_positive_ = false;
  bool was_intermediate_ = false;
};

SmtpPeer::SmtpPeer(Options options) : options_(std::move(options)) {
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  TURNPIKE_CHECK(inet_pton(AF_INET, options_.address.c_str(), &address.sin_addr) == 1);
  TURNPIKE_CHECK(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  TURNPIKE_CHECK(listen(socket_, 128) == 0);
  socklen_t length = sizeof(address);
  getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

SmtpPeer::~SmtpPeer() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mu_);
    is_ended_ = true;
    for (const int connection : open_) shutdown(connection, SHUT_RDWR);
  }
  shutdown(socket_, SHUT_RDWR);
  acceptor_.join();
  {
    absl::MutexLock lock(&mu_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  close(socket_);
}

void SmtpPeer::Accept() {
  while (true) {
    const int connection = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    const int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    absl::MutexLock lock(&mu_);
    if (is_ended_) {
      close(connection);
      return;
    }
    const int number = ++connections_;
    open_.push_back(connection);
    threads_.emplace_back([this, connection, number] {
      Dialogue(*this, connection, number).Run();
      absl::MutexLock lock(&mu_);
      open_.erase(std::find(open_.begin(), open_.end(), connection));
      close(connection);
    });
  }
}

std::vector<SmtpPeer::Message> SmtpPeer::messages() const {
  absl::MutexLock lock(&mu_);
  return messages_;
}

void SmtpPeer::CloseAll() {
  absl::MutexLock lock(&mu_);
  for (const int connection : open_) shutdown(connection, SHUT_RDWR);
}

int SmtpPeer::connections() const {
  absl::MutexLock lock(&mu_);
  return connections_;
}

}  // namespace turnpike::delivery
