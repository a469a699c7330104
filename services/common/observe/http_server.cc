#include "services/common/observe/http_server.h"

#include <civetweb.h>

#include <array>
#include <iterator>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"
#include "services/common/observe/log.h"

namespace turnpike::observe {
namespace {

constexpr char kTextType[] = "text/plain; charset=utf-8";
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

class CivetHttpServer : public HttpServer {
 public:
  explicit CivetHttpServer(Options options) : options_(std::move(options)) {}

  ~CivetHttpServer() override {
    if (context_ != nullptr) mg_stop(context_);
  }

  absl::Status Listen() {
    static const unsigned initialised = mg_init_library(MG_FEATURES_DEFAULT);
    (void)initialised;
    mg_callbacks callbacks = {};
    callbacks.log_message = &CivetHttpServer::OnLogMessage;
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
    const int ports = mg_get_server_ports(context_, 1, &port);
    address_ = options_.listen;
    if (ports == 1) {
      address_ = absl::StrCat(options_.listen.substr(0, options_.listen.rfind(':') + 1), port.port);
    }
    mg_set_request_handler(context_, "/metrics$", &CivetHttpServer::OnMetrics, this);
    mg_set_request_handler(context_, "/livez$", &CivetHttpServer::OnLive, this);
    mg_set_request_handler(context_, "/readyz$", &CivetHttpServer::OnReady, this);
    mg_set_request_handler(context_, "/", &CivetHttpServer::OnOther, this);
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

 private:
  // Collects what CivetWeb says while it starts; later messages are peers' misbehaviour.
  static int OnLogMessage(const mg_connection* connection, const char* message) {
    const mg_context* context = mg_get_context(connection);
    auto* self =
        context == nullptr ? nullptr : static_cast<CivetHttpServer*>(mg_get_user_data(context));
    if (self != nullptr) {
      absl::MutexLock lock(&self->mu_);
      if (self->messages_.size() < 1000) {
        absl::StrAppend(&self->messages_, self->messages_.empty() ? "" : "; ", message);
      }
    }
    TURNPIKE_LOG(kDebug, "http", {{"detail", message}});
    return 1;
  }

  // Answers a GET or HEAD. The result is what CivetWeb wants from a handler: the status.
  static int Answer(mg_connection* connection, int status, absl::string_view phrase,
                    absl::string_view type, absl::string_view body) {
    const absl::string_view method = mg_get_request_info(connection)->request_method;
    const bool is_head = method == "HEAD";
    std::string allow;
    if (!is_head && method != "GET") {
      status = 405;
      phrase = "Method Not Allowed";
      type = kTextType;
      body = "only GET and HEAD\n";
      allow = "Allow: GET, HEAD\r\n";
    }
    const std::string head = absl::StrCat(
        "HTTP/1.1 ", status, " ", phrase, "\r\nContent-Type: ", type,
        "\r\nContent-Length: ", body.size(), "\r\n", allow,
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n");
    mg_write(connection, head.data(), head.size());
    if (!is_head) mg_write(connection, body.data(), body.size());
    return status;
  }

  static int OnMetrics(mg_connection* connection, void* data) {
    const auto* self = static_cast<CivetHttpServer*>(data);
    std::vector<prometheus::MetricFamily> families;
    for (const auto& collectable : self->options_.collectables) {
      std::vector<prometheus::MetricFamily> more = collectable->Collect();
      std::move(more.begin(), more.end(), std::back_inserter(families));
    }
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families);
    return Answer(connection, 200, "OK", kMetricsType, out.str());
  }

  static int OnLive(mg_connection* connection, void* /*data*/) {
    return Answer(connection, 200, "OK", kTextType, "ok\n");
  }

  static int OnReady(mg_connection* connection, void* data) {
    const auto* self = static_cast<CivetHttpServer*>(data);
    if (self->options_.is_ready && self->options_.is_ready()) {
      return Answer(connection, 200, "OK", kTextType, "ok\n");
    }
    return Answer(connection, 503, "Service Unavailable", kTextType, "not ready\n");
  }

  static int OnOther(mg_connection* connection, void* /*data*/) {
    return Answer(connection, 404, "Not Found", kTextType, "see /metrics, /livez and /readyz\n");
  }

  const Options options_;
  mg_context* context_ = nullptr;
  std::string address_;
  absl::Mutex mu_;
  std::string messages_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Options options) {
  auto server = std::make_unique<CivetHttpServer>(std::move(options));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

}  // namespace turnpike::observe
