#include "services/auth-service/core/sasl_cram_md5.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/credentials/cram_md5_states.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

constexpr size_t kDigestCharacters = 32;

}  // namespace

// [RFC2195 2] random digits, a timestamp and our name, like a Message-ID. fetchmail reads one line
// of less than 768 octets; a host name has at most 255.
SaslStep CramMd5Exchange::Start(std::optional<absl::string_view> initial_response) {
  if (initial_response.has_value()) return SaslStep::Needs(SaslStep::Kind::kNoInitialResponse);
  challenge_ = absl::StrCat("<", input().nonce, ".", absl::ToUnixSeconds(input().now), "@",
                            input().hostname, ">");
  return SaslStep::Challenge(challenge_);
}

SaslStep CramMd5Exchange::Respond(absl::string_view response) {
  // A user name may have blanks; the digest does not.
  const size_t blank = response.rfind(' ');
  if (response.size() > kSaslMessageBytesMax || blank == absl::string_view::npos ||
      response.find('\0') != absl::string_view::npos) {
    return SaslStep::Failure("malformed message");
  }
  const absl::string_view user = response.substr(0, blank);
  if (user.empty() || user.size() > kUserBytesMax) return SaslStep::Failure("bad user name");
  set_user(user);
  // Some clients write upper-case digits.
  digest_ = absl::AsciiStrToLower(response.substr(blank + 1));
  if (digest_.size() != kDigestCharacters) return SaslStep::Failure("malformed message");

  return SaslStep::Needs(SaslStep::Kind::kLookup);
}

SaslStep CramMd5Exchange::OnLogin(std::shared_ptr<const Login> login) {
  const bool is_able = login != nullptr && login->verifiers.cram_md5.has_value();
  static const CramMd5States* const kNobody = new CramMd5States(MakeCramMd5States(""));
  const bool agrees = ConstantTimeEqual(
      CramMd5Digest(is_able ? *login->verifiers.cram_md5 : *kNobody, challenge_), digest_);
  if (agrees && is_able) return SaslStep::Success(login->identity, "CRAM-MD5");
  return SaslStep::Failure(login == nullptr ? "no such user"
                           : is_able        ? "wrong password"
                                            : "no verifier for this mechanism");
}

}  // namespace turnpike::auth
