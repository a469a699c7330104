#include "services/common/observe/web_server.h"

#include <civetweb.h>

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/observe/log.h"

namespace turnpike::observe {
namespace {

constexpr size_t kMessagesBytesMax = 1000;

class CivetRequest : public WebRequest {
 public:
  explicit CivetRequest(mg_connection* connection)
      : connection_(connection), info_(*mg_get_request_info(connection)) {}

  absl::string_view method() const override { return info_.request_method; }
  absl::string_view path() const override {
    return info_.local_uri == nullptr ? absl::string_view() : info_.local_uri;
  }
  absl::string_view query() const override {
    return info_.query_string == nullptr ? absl::string_view() : info_.query_string;
  }
  std::optional<absl::string_view> Header(const char* name) const override {
    const char* const value = mg_get_header(connection_, name);
    if (value == nullptr) return std::nullopt;
    return value;
  }
  std::optional<std::string> ReadBody(size_t bytes_max) override {
    std::string body;
    char buffer[4096];
    while (true) {
      const int count = mg_read(connection_, buffer, sizeof(buffer));
      if (count < 0) return std::nullopt;
      if (count == 0) return body;
      if (body.size() + static_cast<size_t>(count) > bytes_max) return std::nullopt;
      body.append(buffer, static_cast<size_t>(count));
    }
  }

 private:
  mg_connection* const connection_;
  const mg_request_info& info_;
};

class CivetWebServer : public WebServer {
 public:
  explicit CivetWebServer(Options options) : options_(std::move(options)) {}

  ~CivetWebServer() override {
    if (context_ != nullptr) mg_stop(context_);
  }

  absl::Status Listen() {
    static const unsigned initialised = mg_init_library(MG_FEATURES_DEFAULT);
    (void)initialised;
    mg_callbacks callbacks = {};
    callbacks.log_message = &CivetWebServer::OnLogMessage;
    callbacks.begin_request = &CivetWebServer::OnRequest;
    const std::string threads = absl::StrCat(options_.threads);
    const char* settings[] = {"listening_ports", options_.listen.c_str(), "num_threads",
                              threads.c_str(),
                              // A client that says nothing holds a thread no longer than this.
                              "request_timeout_ms", "5000", nullptr};
    context_ = mg_start(&callbacks, this, settings);
    if (context_ == nullptr) {
      absl::MutexLock lock(&mu_);
      return absl::UnavailableError(absl::StrCat("cannot serve HTTP at ", options_.listen, ": ",
                                                 messages_.empty() ? "unknown error" : messages_));
    }
    mg_server_port port = {};
    address_ = options_.listen;
    if (mg_get_server_ports(context_, 1, &port) == 1) {
      address_ = absl::StrCat(options_.listen.substr(0, options_.listen.rfind(':') + 1), port.port);
    }
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

 private:
  // Collects what CivetWeb says while it starts; later messages are peers' misbehaviour.
  static int OnLogMessage(const mg_connection* connection, const char* message) {
    const mg_context* context = mg_get_context(connection);
    auto* self =
        context == nullptr ? nullptr : static_cast<CivetWebServer*>(mg_get_user_data(context));
    if (self != nullptr) {
      absl::MutexLock lock(&self->mu_);
      if (self->messages_.size() < kMessagesBytesMax) {
        absl::StrAppend(&self->messages_, self->messages_.empty() ? "" : "; ", message);
      }
    }
    TURNPIKE_LOG(kDebug, "http", {{"detail", message}});
    return 1;
  }

  // CivetWeb wants the status of what has been answered.
  static int OnRequest(mg_connection* connection) {
    const auto& self = *static_cast<CivetWebServer*>(mg_get_user_data(mg_get_context(connection)));
    CivetRequest request(connection);
    const WebAnswer answer = self.options_.answer(request);
    const std::string head = absl::StrCat(
        "HTTP/1.1 ", answer.status, " ", mg_get_response_code_text(connection, answer.status),
        "\r\nContent-Type: ", answer.type, "\r\nContent-Length: ", answer.body.size(), "\r\n",
        answer.allow.empty() ? "" : absl::StrCat("Allow: ", answer.allow, "\r\n"),
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n");
    mg_write(connection, head.data(), head.size());
    if (request.method() != "HEAD") mg_write(connection, answer.body.data(), answer.body.size());
    return answer.status;
  }

  const Options options_;
  mg_context* context_ = nullptr;
  std::string address_;
  absl::Mutex mu_;
  std::string messages_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<WebServer>> WebServer::Start(Options options) {
  auto server = std::make_unique<CivetWebServer>(std::move(options));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

}  // namespace turnpike::observe
