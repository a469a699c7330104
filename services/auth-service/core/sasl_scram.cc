#include "services/auth-service/core/sasl_scram.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

constexpr size_t kClientNonceBytesMax = 256;

// Takes `name=value` and the comma after it, if there is one, from the front of `text`.
std::optional<absl::string_view> TakeAttribute(absl::string_view name, absl::string_view& text) {
  if (!absl::StartsWith(text, name)) return std::nullopt;
  const absl::string_view value = text.substr(name.size(), text.find(',') - name.size());
  text.remove_prefix(std::min(text.size(), name.size() + value.size() + 1));
  return value;
}

// `=2C` is a comma and `=3D` an equals sign; no other `=` may stand in a name. [RFC5802 5.1]
std::optional<std::string> DecodeSaslName(absl::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (absl::ConsumePrefix(&text, "=2C")) {
      name += ',';
    } else if (absl::ConsumePrefix(&text, "=3D")) {
      name += '=';
    } else if (text[0] == '=' || text[0] == '\0') {
      return std::nullopt;
    } else {
      name += text[0];
      text.remove_prefix(1);
    }
  }
  return name;
}

bool IsNonce(absl::string_view text) {
  return !text.empty() && text.size() <= kClientNonceBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

std::string Xor(absl::string_view a, absl::string_view b) {
  std::string result(a);
  for (size_t i = 0; i < result.size(); ++i) result[i] ^= b[i];
  return result;
}

}  // namespace

SaslStep ScramExchange::Start(std::optional<absl::string_view> initial_response) {
  return initial_response.has_value() ? Respond(*initial_response) : SaslStep::Challenge("");
}

SaslStep ScramExchange::Respond(absl::string_view response) {
  if (response.size() > kSaslMessageBytesMax) return SaslStep::Failure("message too long");
  switch (state_) {
    case State::kClientFirst:
      return OnClientFirst(response);
    case State::kClientFinal:
      return OnClientFinal(response);
    case State::kServerFinalSent:
      // The server's final message went out as a challenge, which needs an answer. [RFC4954 4]
      if (!response.empty()) return SaslStep::Failure("malformed message");
      return SaslStep::Success(login_->identity, variant_.name);
  }
  return SaslStep::Failure("wrong state");
}

// [RFC5802 6]
bool ScramExchange::ConsumeBindingFlag(absl::string_view& text) {
  if (!variant_.is_plus) {
    // `y`: the client can bind and thinks that we cannot. Where that is not so, somebody between us
    // has taken it out of our offer.
    return absl::ConsumePrefix(&text, "n,") ||
           (!input().offers_binding && absl::ConsumePrefix(&text, "y,"));
  }
  const std::optional<absl::string_view> type = TakeAttribute("p=", text);
  if (type == "tls-exporter") binding_ = input().bindings.exporter;
  if (type == "tls-server-end-point") binding_ = input().bindings.server_end_point;
  return !binding_.empty();
}

// `n,a=authzid,n=user,r=nonce`
SaslStep ScramExchange::OnClientFirst(absl::string_view message) {
  absl::string_view rest = message;
  if (!ConsumeBindingFlag(rest)) return SaslStep::Failure("no such channel binding");
  std::optional<std::string> authorize_as = "";
  if (!absl::ConsumePrefix(&rest, ",")) {
    const std::optional<absl::string_view> name = TakeAttribute("a=", rest);
    authorize_as = name.has_value() ? DecodeSaslName(*name) : std::nullopt;
  }
  gs2_header_ = std::string(message.substr(0, message.size() - rest.size()));
  client_first_ = std::string(rest);
  // A mandatory extension `m=` would come first; we know none, so it fails here.
  const std::optional<absl::string_view> name = TakeAttribute("n=", rest);
  const std::optional<std::string> user = name ? DecodeSaslName(*name) : std::nullopt;
  const std::optional<absl::string_view> nonce = TakeAttribute("r=", rest);
  if (!authorize_as || !user || !nonce || !IsNonce(*nonce)) {
    return SaslStep::Failure("malformed message");
  }
  if (user->empty() || user->size() > kUserBytesMax) return SaslStep::Failure("bad user name");
  set_user(*user);
  if (!authorize_as->empty() && *authorize_as != *user) {
    return SaslStep::Failure("authorization identity differs");
  }
  nonce_ = absl::StrCat(*nonce, input().nonce);
  return SaslStep::Needs(SaslStep::Kind::kLookup);
}

SaslStep ScramExchange::OnLogin(std::shared_ptr<const Login> login) {
  login_ = std::move(login);
  const LoginDirectory& directory = *input().directory;
  if (login_ != nullptr && !login_->verifiers.has_scram(variant_.hash)) login_ = nullptr;
  if (login_ != nullptr && login_->verifiers.scram(variant_.hash).has_value()) {
    salt_ = login_->verifiers.scram(variant_.hash)->salt;
    iterations_ = login_->verifiers.scram(variant_.hash)->iterations;
  } else {
    salt_ = directory.SaltFor(user());
    iterations_ = directory.cost().scram_iterations;
  }
  std::string challenge = absl::StrCat("r=", nonce_, ",s=", ToBase64(salt_), ",i=", iterations_);
  auth_message_ = absl::StrCat(client_first_, ",", challenge);
  state_ = State::kClientFinal;
  return SaslStep::Challenge(std::move(challenge));
}

// `c=biws,r=nonce,p=proof`, perhaps with extensions before the proof
SaslStep ScramExchange::OnClientFinal(absl::string_view message) {
  const size_t proof_place = message.rfind(",p=");
  if (proof_place == absl::string_view::npos) return SaslStep::Failure("malformed message");
  absl::string_view rest = message.substr(0, proof_place);
  absl::StrAppend(&auth_message_, ",", rest);
  const std::optional<absl::string_view> binding = TakeAttribute("c=", rest);
  const std::optional<absl::string_view> nonce = TakeAttribute("r=", rest);
  std::optional<std::string> proof = FromBase64(message.substr(proof_place + 3));
  if (!binding || !nonce || !proof || proof->size() != HashBytes(variant_.hash)) {
    return SaslStep::Failure("malformed message");
  }
  if (!ConstantTimeEqual(*binding, ToBase64(absl::StrCat(gs2_header_, binding_)))) {
    return SaslStep::Failure("channel binding differs");
  }
  if (!ConstantTimeEqual(*nonce, nonce_)) return SaslStep::Failure("nonce differs");
  proof_ = *std::move(proof);
  return MustMakeVerifier() ? SaslStep::Needs(SaslStep::Kind::kWork) : Work();
}

bool ScramExchange::MustMakeVerifier() const {
  return input().directory->cost().scram_needs_pbkdf2 ||
         (login_ != nullptr && !login_->verifiers.scram(variant_.hash).has_value());
}

SaslStep ScramExchange::Work() {
  ScramVerifier verifier;
  if (MustMakeVerifier()) {
    // Made for those who have only a password, and for all others too: time must not tell.
    const bool has_password = login_ != nullptr && login_->verifiers.password.has_value();
    verifier = MakeScramVerifier(
        variant_.hash, has_password ? *login_->verifiers.password : "nobody", salt_, iterations_);
  }
  if (login_ != nullptr && login_->verifiers.scram(variant_.hash).has_value()) {
    verifier = *login_->verifiers.scram(variant_.hash);
  }
  verifier.stored_key.resize(HashBytes(variant_.hash));

  const std::string client_key =
      Xor(proof_, Hmac(variant_.hash, verifier.stored_key, auth_message_));
  const bool agrees = ConstantTimeEqual(Hash(variant_.hash, client_key), verifier.stored_key);
  if (login_ == nullptr) return SaslStep::Failure("no such user, or none for this mechanism");
  if (!agrees) return SaslStep::Failure("wrong password");
  state_ = State::kServerFinalSent;
  return SaslStep::Challenge(
      absl::StrCat("v=", ToBase64(Hmac(variant_.hash, verifier.server_key, auth_message_))));
}

}  // namespace turnpike::auth
