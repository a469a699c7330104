#include "services/auth-service/core/sasl_external.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"

namespace turnpike::auth {

SaslStep ExternalExchange::Start(std::optional<absl::string_view> initial_response) {
  return initial_response.has_value() ? Respond(*initial_response) : SaslStep::Challenge("");
}

SaslStep ExternalExchange::Respond(absl::string_view response) {
  if (response.empty()) return TryNext();
  if (response.size() > kUserBytesMax || response.find('\0') != absl::string_view::npos) {
    return SaslStep::Failure("bad user name");
  }
  set_user(response);
  is_named_ = true;
  const std::vector<std::string>& addresses = input().certificate_addresses;
  const bool is_in_certificate = std::any_of(
      addresses.begin(), addresses.end(),
      [response](const std::string& address) { return absl::EqualsIgnoreCase(address, response); });
  if (!is_in_certificate) return SaslStep::Failure("not in the certificate");
  return SaslStep::Needs(SaslStep::Kind::kLookup);
}

SaslStep ExternalExchange::TryNext() {
  if (next_ >= input().certificate_addresses.size()) {
    return SaslStep::Failure("no account in the certificate");
  }
  set_user(input().certificate_addresses[next_++]);
  return SaslStep::Needs(SaslStep::Kind::kLookup);
}

SaslStep ExternalExchange::OnLogin(std::shared_ptr<const Login> login) {
  if (login != nullptr) return SaslStep::Success(login->identity, "EXTERNAL");
  return is_named_ ? SaslStep::Failure("no such user") : TryNext();
}

}  // namespace turnpike::auth
