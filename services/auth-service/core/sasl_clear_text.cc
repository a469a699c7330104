#include "services/auth-service/core/sasl_clear_text.h"

#include "services/auth-service/core/password_check.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {

ClearTextExchange::~ClearTextExchange() { Wipe(password_); }

SaslStep ClearTextExchange::Check(absl::string_view password) {
  if (password.empty() || password.size() > kPasswordBytesMax) {
    return SaslStep::Failure("bad password length");
  }
  login_ = input().directory->Find(user(), input().audience);
  password_ = std::string(password);
  return IsDear(input().directory->cost()) ? SaslStep::NeedsWork() : Work();
}

SaslStep ClearTextExchange::Work() {
  const bool agrees = CheckPassword(login_, password_, input().directory->cost());
  Wipe(password_);
  if (agrees) return SaslStep::Success(login_->identity, mechanism_);
  return SaslStep::Failure(login_ == nullptr ? "no such user" : "wrong password");
}

SaslStep PlainExchange::Start(std::optional<absl::string_view> initial_response) {
  return initial_response.has_value() ? Respond(*initial_response) : SaslStep::Challenge("");
}

// [RFC4616 2] authzid NUL authcid NUL password, of which only the first may be empty.
SaslStep PlainExchange::Respond(absl::string_view response) {
  if (response.size() > kSaslMessageBytesMax) return SaslStep::Failure("message too long");
  const size_t first = response.find('\0');
  const size_t second = first == absl::string_view::npos ? first : response.find('\0', first + 1);
  if (second == absl::string_view::npos ||
      response.find('\0', second + 1) != absl::string_view::npos) {
    return SaslStep::Failure("malformed message");
  }
  const absl::string_view authorize_as = response.substr(0, first);
  const absl::string_view user = response.substr(first + 1, second - first - 1);
  // Nobody may act for another.
  if (!authorize_as.empty() && authorize_as != user) {
    return SaslStep::Failure("authorization identity differs");
  }
  if (user.empty() || user.size() > kUserBytesMax) return SaslStep::Failure("bad user name");
  set_user(user);
  return Check(response.substr(second + 1));
}

SaslStep LoginExchange::Start(std::optional<absl::string_view> initial_response) {
  return initial_response.has_value() ? Respond(*initial_response)
                                      : SaslStep::Challenge("Username:");
}

SaslStep LoginExchange::Respond(absl::string_view response) {
  if (response.find('\0') != absl::string_view::npos) {
    return SaslStep::Failure("malformed message");
  }
  if (has_user_) return Check(response);
  if (response.empty() || response.size() > kUserBytesMax) {
    return SaslStep::Failure("bad user name");
  }
  set_user(response);
  has_user_ = true;
  return SaslStep::Challenge("Password:");
}

}  // namespace turnpike::auth
