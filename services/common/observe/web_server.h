// A small HTTP server for tools: CivetWeb, with threads of its own, so that it answers while the
// service's loops are stuck. The only place where CivetWeb is used.
#ifndef TURNPIKE_SERVICES_COMMON_OBSERVE_WEB_SERVER_H_
#define TURNPIKE_SERVICES_COMMON_OBSERVE_WEB_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace turnpike::observe {

struct WebAnswer {
  int status = 200;  // one that HTTP names
  std::string type = "text/plain; charset=utf-8";
  std::string body = "";
  std::string allow = "";  // with 405: the methods that there are, `GET, HEAD`
};

// Lives while it is answered; its views too.
class WebRequest {
 public:
  virtual ~WebRequest() = default;
  virtual absl::string_view method() const = 0;  // `GET`
  virtual absl::string_view path() const = 0;    // `/metrics`
  virtual absl::string_view query() const = 0;   // what follows `?`; empty if nothing does
  // Nothing when the request has no such field.
  virtual std::optional<absl::string_view> Header(const char* name) const = 0;
  // Once. Nothing when it is longer, or the client stops in the midst of it.
  virtual std::optional<std::string> ReadBody(size_t bytes_max) = 0;
};

// Thread-safe. Serves until it is destroyed, which waits for answers in progress.
class WebServer {
 public:
  struct Options {
    std::string listen;  // host:port with a numeric host; port 0 picks one
    int threads = 3;     // requests at one time; further ones wait; > 0
    // Called for each request, on a thread of the server. Nothing is cached, each connection is for
    // one request, and HEAD gets no body.
    std::function<WebAnswer(WebRequest&)> answer = nullptr;
  };

  // UNAVAILABLE when the address cannot be bound; the text says why.
  static absl::StatusOr<std::unique_ptr<WebServer>> Start(Options options);
  virtual ~WebServer() = default;

  // `127.0.0.1:40123`, with the real port.
  virtual const std::string& address() const = 0;
};

}  // namespace turnpike::observe

#endif  // TURNPIKE_SERVICES_COMMON_OBSERVE_WEB_SERVER_H_
