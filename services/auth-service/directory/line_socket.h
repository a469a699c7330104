// Lines over a Unix socket, waited for.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LINE_SOCKET_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LINE_SOCKET_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::auth {

// Errors are UNAVAILABLE (nobody there, closed, a line that is too long) and DEADLINE_EXCEEDED;
// after one the socket is closed.
//
// Thread-compatible; blocks.
class LineSocket {
 public:
  static constexpr size_t kLineBytesMax = 64 * 1024;

  LineSocket() = default;
  LineSocket(const LineSocket&) = delete;
  LineSocket& operator=(const LineSocket&) = delete;
  ~LineSocket() { Close(); }

  bool is_open() const { return socket_ >= 0; }
  absl::Status Connect(const std::string& path, absl::Time deadline);
  void Close();

  absl::Status Write(absl::string_view bytes, absl::Time deadline);
  // Without its LF.
  absl::StatusOr<std::string> ReadLine(absl::Time deadline);

 private:
  absl::Status WaitFor(short event, absl::Time deadline);  // NOLINT(runtime/int): what poll wants
  absl::Status Fail(absl::Status status);

  int socket_ = -1;
  std::string input_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LINE_SOCKET_H_
