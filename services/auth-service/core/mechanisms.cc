#include "services/auth-service/core/mechanisms.h"

#include <utility>

#include "services/auth-service/core/sasl_clear_text.h"
#include "services/auth-service/core/sasl_cram_md5.h"
#include "services/auth-service/core/sasl_scram.h"

namespace turnpike::auth {
namespace {

constexpr Mechanism kBestFirst[] = {Mechanism::kScramSha256, Mechanism::kCramMd5, Mechanism::kPlain,
                                    Mechanism::kLogin};

bool IsClearText(Mechanism mechanism) {
  return mechanism == Mechanism::kPlain || mechanism == Mechanism::kLogin;
}

bool HasUser(Mechanism mechanism, Audience audience, const LoginDirectory& directory) {
  switch (mechanism) {
    case Mechanism::kScramSha256:
      return directory.HasScram(audience);
    case Mechanism::kCramMd5:
      return directory.HasCramMd5(audience);
    case Mechanism::kPlain:
    case Mechanism::kLogin:
      return directory.HasClearText(audience);
  }
  return false;
}

}  // namespace

absl::string_view MechanismName(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kScramSha256:
      return "SCRAM-SHA-256";
    case Mechanism::kCramMd5:
      return "CRAM-MD5";
    case Mechanism::kPlain:
      return "PLAIN";
    case Mechanism::kLogin:
      return "LOGIN";
  }
  return "";
}

std::optional<Mechanism> FindMechanism(absl::string_view name) {
  for (Mechanism mechanism : kBestFirst) {
    if (MechanismName(mechanism) == name) return mechanism;
  }
  return std::nullopt;
}

Audience AudienceOf(Mechanism mechanism, const ListenerTraits& listener) {
  Audience audience{.accounts = listener.role != v1::LISTENER_ROLE_ODMR, .gateways = true};
  if (mechanism == Mechanism::kCramMd5 && !listener.cram_md5) {
    audience.accounts = false;
    audience.gateways = listener.odmr || listener.role == v1::LISTENER_ROLE_ODMR;
  }
  return audience;
}

std::vector<Mechanism> OfferedMechanisms(const ListenerTraits& listener, bool tls,
                                         const LoginDirectory& directory) {
  std::vector<Mechanism> offered;
  for (Mechanism mechanism : kBestFirst) {
    if (IsClearText(mechanism) && !tls && !listener.allow_cleartext_auth) continue;
    if (HasUser(mechanism, AudienceOf(mechanism, listener), directory)) {
      offered.push_back(mechanism);
    }
  }
  return offered;
}

std::unique_ptr<SaslExchange> MakeExchange(Mechanism mechanism, SaslInput input) {
  switch (mechanism) {
    case Mechanism::kScramSha256:
      return std::make_unique<ScramSha256Exchange>(std::move(input));
    case Mechanism::kCramMd5:
      return std::make_unique<CramMd5Exchange>(std::move(input));
    case Mechanism::kPlain:
      return std::make_unique<PlainExchange>(std::move(input));
    case Mechanism::kLogin:
      return std::make_unique<LoginExchange>(std::move(input));
  }
  return nullptr;
}

}  // namespace turnpike::auth
