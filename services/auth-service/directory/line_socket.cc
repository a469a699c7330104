#include "services/auth-service/directory/line_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/status_macros.h"

namespace turnpike::auth {
namespace {

absl::Status Unavailable(const char* what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

}  // namespace

void LineSocket::Close() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
  input_.clear();
}

absl::Status LineSocket::Fail(absl::Status status) {
  Close();
  return status;
}

absl::Status LineSocket::Connect(const std::string& path, absl::Time deadline) {
  Close();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return absl::UnavailableError("path is too long");
  path.copy(address.sun_path, path.size());
  socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return Unavailable("socket");
  // A listener whose queue is full makes a Unix socket say EAGAIN, and gives no sign when it is
  // not.
  while (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno != EAGAIN && errno != EINTR) return Fail(Unavailable("connect"));
    if (absl::Now() >= deadline) return Fail(absl::DeadlineExceededError("connect"));
    absl::SleepFor(absl::Milliseconds(5));
  }
  return absl::OkStatus();
}

absl::Status LineSocket::WaitFor(short event, absl::Time deadline) {  // NOLINT(runtime/int)
  const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
  if (left <= 0) return Fail(absl::DeadlineExceededError("no answer in time"));
  pollfd waiting{.fd = socket_, .events = event};
  const int ready = poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, INT_MAX)));
  if (ready < 0 && errno != EINTR) return Fail(Unavailable("poll"));
  return absl::OkStatus();
}

absl::Status LineSocket::Write(absl::string_view bytes, absl::Time deadline) {
  while (!bytes.empty()) {
    const ssize_t count = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return Fail(Unavailable("send"));
    TURNPIKE_RETURN_IF_ERROR(WaitFor(POLLOUT, deadline));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LineSocket::ReadLine(absl::Time deadline) {
  while (true) {
    if (const size_t end = input_.find('\n'); end != std::string::npos) {
      std::string line = input_.substr(0, end);
      input_.erase(0, end + 1);
      return line;
    }
    if (input_.size() > kLineBytesMax) return Fail(absl::UnavailableError("line is too long"));
    char buffer[4096];
    const ssize_t count = recv(socket_, buffer, sizeof(buffer), 0);
    if (count > 0) {
      input_.append(buffer, static_cast<size_t>(count));
    } else if (count == 0) {
      return Fail(absl::UnavailableError("closed"));
    } else if (errno == EAGAIN) {
      TURNPIKE_RETURN_IF_ERROR(WaitFor(POLLIN, deadline));
    } else if (errno != EINTR) {
      return Fail(Unavailable("recv"));
    }
  }
}

}  // namespace turnpike::auth
