#include "services/auth-service/mailbox/policy_server.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/common/credentials/crypto.h"
#include "services/common/observe/log.h"
#include "services/common/observe/web_server.h"

namespace turnpike::auth {
namespace {

using observe::WebAnswer;
using observe::WebRequest;

WebAnswer Json(int status, absl::string_view body) {
  return {.status = status, .type = "application/json", .body = std::string(body)};
}

class PolicyServerImpl : public PolicyServer {
 public:
  explicit PolicyServerImpl(Options options) : options_(std::move(options)) {}

  absl::Status Listen() {
    absl::StatusOr<std::unique_ptr<observe::WebServer>> server = observe::WebServer::Start(
        {.listen = options_.listen,
         .threads = options_.threads,
         .answer = [this](WebRequest& request) { return Answer(request); }});
    if (!server.ok()) {
      return absl::Status(
          server.status().code(),
          absl::StrCat("auth.pop_before_smtp.policy_listen: ", server.status().message()));
    }
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  const std::string& address() const override { return server_->address(); }

 private:
  // In constant time, so that the key cannot be found octet by octet.
  bool HasKey(const WebRequest& request) const {
    const std::string key = options_.key();
    if (key.empty()) return true;
    const std::optional<absl::string_view> given = request.Header("Authorization");
    return given.has_value() && ConstantTimeEqual(Sha256(*given), Sha256(key));
  }

  WebAnswer Answer(WebRequest& request) const {
    if (request.method() != "POST") {
      options_.on_result(Result::kMalformed);
      WebAnswer answer = Json(405, R"({"status":-1,"msg":"POST only"})");
      answer.allow = "POST";
      return answer;
    }
    if (!HasKey(request)) {
      options_.on_result(Result::kRefused);
      return Json(401, R"({"status":-1,"msg":"wrong key"})");
    }
    const std::optional<std::string> body = request.ReadBody(options_.body_bytes_max);
    if (!body) {
      options_.on_result(Result::kMalformed);
      return Json(413, R"({"status":-1,"msg":"too long"})");
    }
    const std::optional<absl::string_view> command = PolicyCommand(request.query());
    if (command == "allow") {
      options_.on_result(Result::kAllow);
      return Json(200, R"({"status":0,"msg":"go on"})");
    }
    const absl::StatusOr<PolicyReport> report = command == "report"
                                                    ? ParsePolicyReport(*body)
                                                    : absl::InvalidArgumentError("unknown command");
    if (!report.ok()) {
      options_.on_result(Result::kMalformed);
      return Json(400, R"({"status":-1,"msg":"malformed"})");
    }
    return Note(*report);
  }

  WebAnswer Note(const PolicyReport& report) const {
    const absl::Status status =
        report.is_mailbox_login ? options_.on_login(report) : absl::OkStatus();
    if (absl::IsInvalidArgument(status)) {
      options_.on_result(Result::kMalformed);
      return Json(400, R"({"status":-1,"msg":"malformed"})");
    }
    if (!status.ok()) {
      TURNPIKE_LOG(kWarning, "mailbox login not noted", {{"error", status.ToString()}});
      options_.on_result(Result::kError);
      return Json(503, R"({"status":-1,"msg":"later"})");
    }
    options_.on_result(Result::kReport);
    return Json(200, R"({"status":0,"msg":"noted"})");
  }

  const Options options_;
  std::unique_ptr<observe::WebServer> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PolicyServer>> PolicyServer::Start(Options options) {
  auto server = std::make_unique<PolicyServerImpl>(std::move(options));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

}  // namespace turnpike::auth
