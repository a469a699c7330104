#include "services/auth-service/mailbox/policy_report.h"

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace turnpike::auth {
namespace {

using Json = nlohmann::json;

// Empty if there is no such text.
std::string Text(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

bool Flag(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_boolean() && member->get<bool>();
}

}  // namespace

absl::StatusOr<PolicyReport> ParsePolicyReport(absl::string_view body) {
  const Json object =
      Json::parse(body.begin(), body.end(), /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::InvalidArgumentError("no JSON object");
  PolicyReport report{.login = Text(object, "login"), .remote = Text(object, "remote")};
  if (report.login.empty() || report.remote.empty()) {
    return absl::InvalidArgumentError("`login` or `remote` is missing");
  }
  // Other services ask the same Dovecot: Postfix for SMTP AUTH, and we do ourselves.
  const std::string protocol = Text(object, "protocol");
  report.is_mailbox_login = (protocol == "pop3" || protocol == "imap") && Flag(object, "success") &&
                            !Flag(object, "policy_reject");
  return report;
}

std::optional<absl::string_view> PolicyCommand(absl::string_view query) {
  for (absl::string_view part : absl::StrSplit(query, '&')) {
    if (absl::ConsumePrefix(&part, "command=")) return part;
  }
  return std::nullopt;
}

}  // namespace turnpike::auth
