#include "services/auth-service/core/sasl_clear_text.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/auth-service/core/password_check.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {

ClearTextExchange::~ClearTextExchange() { Wipe(password_); }

SaslStep ClearTextExchange::Check(absl::string_view password) {
  if (password.empty() || password.size() > kPasswordBytesMax) {
    return SaslStep::Failure("bad password length");
  }
  password_ = std::string(password);
  password_mark_ = ToBase64(
      input().directory->SaltFor(absl::StrCat(user(), "\n", absl::BytesToHexString(password))));
  return SaslStep::Needs(SaslStep::Kind::kLookup);
}

SaslStep ClearTextExchange::OnLogin(std::shared_ptr<const Login> login) {
  login_ = std::move(login);
  const LoginDirectory& directory = *input().directory;
  if (login_ != nullptr) {
    checker_ = login_->checker;
  } else if (input().audience.accounts && absl::StrContains(user(), '@')) {
    // Time must not tell who exists there.
    for (AccountDirectory* each : directory.directories()) {
      if (checker_ == nullptr && each->checks_passwords()) checker_ = each;
    }
  }
  if (checker_ != nullptr) return SaslStep::Needs(SaslStep::Kind::kAskChecker);
  return IsDear(login_.get(), directory.cost()) ? SaslStep::Needs(SaslStep::Kind::kWork) : Work();
}

SaslStep ClearTextExchange::OnChecked(bool is_right) {
  return Conclude(is_right && login_ != nullptr);
}

SaslStep ClearTextExchange::Work() {
  return Conclude(CheckPassword(login_.get(), password_, input().directory->cost()));
}

SaslStep ClearTextExchange::Conclude(bool is_right) {
  Wipe(password_);
  if (is_right) return SaslStep::Success(login_->identity, mechanism_);
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
