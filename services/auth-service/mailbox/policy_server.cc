#include "services/auth-service/mailbox/policy_server.h"

#include <civetweb.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/common/credentials/crypto.h"
#include "services/common/observe/log.h"

namespace turnpike::auth {
namespace {

class CivetPolicyServer : public PolicyServer {
 public:
  explicit CivetPolicyServer(Options options) : options_(std::move(options)) {}

  ~CivetPolicyServer() override {
    if (context_ != nullptr) mg_stop(context_);
  }

  absl::Status Listen() {
    mg_init_library(MG_FEATURES_DEFAULT);
    mg_callbacks callbacks = {};
    callbacks.log_message = &CivetPolicyServer::OnLogMessage;
    const std::string threads = absl::StrCat(options_.threads);
    const char* settings[] = {"listening_ports", options_.listen.c_str(), "num_threads",
                              threads.c_str(),
                              // A client that says nothing holds a thread no longer than this.
                              "request_timeout_ms", "5000", nullptr};
    context_ = mg_start(&callbacks, this, settings);
    if (context_ == nullptr) {
      return absl::UnavailableError(absl::StrCat(
          "auth.pop_before_smtp.policy_listen: cannot serve HTTP at ", options_.listen));
    }
    mg_server_port port = {};
    address_ = options_.listen;
    if (mg_get_server_ports(context_, 1, &port) == 1) {
      address_ = absl::StrCat(options_.listen.substr(0, options_.listen.rfind(':') + 1), port.port);
    }
    mg_set_request_handler(context_, "/", &CivetPolicyServer::OnRequest, this);
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

 private:
  static int OnLogMessage(const mg_connection*, const char* message) {
    TURNPIKE_LOG(kDebug, "policy http", {{"detail", message}});
    return 1;
  }

  static int Answer(mg_connection* connection, int status, absl::string_view phrase,
                    absl::string_view body) {
    const std::string answer =
        absl::StrCat("HTTP/1.1 ", status, " ", phrase,
                     "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
                     "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n", body);
    mg_write(connection, answer.data(), answer.size());
    return status;
  }

  // In constant time, so that the key cannot be found octet by octet.
  bool HasKey(const mg_connection* connection) const {
    const std::string key = options_.key();
    if (key.empty()) return true;
    const char* given = mg_get_header(connection, "Authorization");
    return given != nullptr && ConstantTimeEqual(Sha256(given), Sha256(key));
  }

  // Nothing if it is too long, or the client stops in the midst of it.
  std::optional<std::string> ReadBody(mg_connection* connection) const {
    std::string body;
    char buffer[4096];
    while (true) {
      const int count = mg_read(connection, buffer, sizeof(buffer));
      if (count < 0) return std::nullopt;
      if (count == 0) return body;
      if (body.size() + static_cast<size_t>(count) > options_.body_bytes_max) return std::nullopt;
      body.append(buffer, static_cast<size_t>(count));
    }
  }

  // CivetWeb wants the status.
  static int OnRequest(mg_connection* connection, void* data) {
    const auto& self = *static_cast<const CivetPolicyServer*>(data);
    const mg_request_info& request = *mg_get_request_info(connection);
    if (absl::string_view(request.request_method) != "POST") {
      self.options_.on_result(Result::kMalformed);
      return Answer(connection, 405, "Method Not Allowed", R"({"status":-1,"msg":"POST only"})");
    }
    if (!self.HasKey(connection)) {
      self.options_.on_result(Result::kRefused);
      return Answer(connection, 401, "Unauthorized", R"({"status":-1,"msg":"wrong key"})");
    }
    const std::optional<std::string> body = self.ReadBody(connection);
    if (!body) {
      self.options_.on_result(Result::kMalformed);
      return Answer(connection, 413, "Payload Too Large", R"({"status":-1,"msg":"too long"})");
    }
    const std::optional<absl::string_view> command =
        PolicyCommand(request.query_string == nullptr ? "" : request.query_string);
    if (command == "allow") {
      self.options_.on_result(Result::kAllow);
      return Answer(connection, 200, "OK", R"({"status":0,"msg":"go on"})");
    }
    const absl::StatusOr<PolicyReport> report = command == "report"
                                                    ? ParsePolicyReport(*body)
                                                    : absl::InvalidArgumentError("unknown command");
    if (!report.ok()) {
      self.options_.on_result(Result::kMalformed);
      return Answer(connection, 400, "Bad Request", R"({"status":-1,"msg":"malformed"})");
    }
    return self.Note(connection, *report);
  }

  int Note(mg_connection* connection, const PolicyReport& report) const {
    const absl::Status status =
        report.is_mailbox_login ? options_.on_login(report) : absl::OkStatus();
    if (absl::IsInvalidArgument(status)) {
      options_.on_result(Result::kMalformed);
      return Answer(connection, 400, "Bad Request", R"({"status":-1,"msg":"malformed"})");
    }
    if (!status.ok()) {
      TURNPIKE_LOG(kWarning, "mailbox login not noted", {{"error", status.ToString()}});
      options_.on_result(Result::kError);
      return Answer(connection, 503, "Service Unavailable", R"({"status":-1,"msg":"later"})");
    }
    options_.on_result(Result::kReport);
    return Answer(connection, 200, "OK", R"({"status":0,"msg":"noted"})");
  }

  const Options options_;
  mg_context* context_ = nullptr;
  std::string address_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PolicyServer>> PolicyServer::Start(Options options) {
  auto server = std::make_unique<CivetPolicyServer>(std::move(options));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

}  // namespace turnpike::auth
