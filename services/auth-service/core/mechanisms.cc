#include "services/auth-service/core/mechanisms.h"

#include <utility>

#include "services/auth-service/core/sasl_clear_text.h"
#include "services/auth-service/core/sasl_cram_md5.h"
#include "services/auth-service/core/sasl_external.h"
#include "services/auth-service/core/sasl_scram.h"

namespace turnpike::auth {
namespace {

constexpr Mechanism kBestFirst[] = {Mechanism::kScramSha256Plus, Mechanism::kScramSha1Plus,
                                    Mechanism::kScramSha256,     Mechanism::kScramSha1,
                                    Mechanism::kExternal,        Mechanism::kCramMd5,
                                    Mechanism::kPlain,           Mechanism::kLogin};

bool IsClearText(Mechanism mechanism) {
  return mechanism == Mechanism::kPlain || mechanism == Mechanism::kLogin;
}

bool HasUser(Mechanism mechanism, Audience audience, const LoginDirectory& directory) {
  switch (mechanism) {
    case Mechanism::kScramSha256Plus:
    case Mechanism::kScramSha256:
      return directory.HasScram(HashKind::kSha256, audience);
    case Mechanism::kScramSha1Plus:
    case Mechanism::kScramSha1:
      return directory.HasScram(HashKind::kSha1, audience);
    case Mechanism::kExternal:
      return audience.accounts;
    case Mechanism::kCramMd5:
      return directory.HasCramMd5(audience);
    case Mechanism::kPlain:
    case Mechanism::kLogin:
      return directory.HasClearText(audience);
  }
  return false;
}

bool FitsSession(Mechanism mechanism, const ListenerTraits& listener,
                 const SessionTraits& session) {
  if (IsBound(mechanism)) return session.tls;
  if (IsClearText(mechanism)) return session.tls || listener.allow_cleartext_auth;
  if (mechanism == Mechanism::kExternal) return session.tls && session.has_certificate;
  return true;
}

ScramExchange::Variant VariantOf(Mechanism mechanism) {
  const bool is_sha1 = mechanism == Mechanism::kScramSha1 || mechanism == Mechanism::kScramSha1Plus;
  return {.name = MechanismName(mechanism),
          .hash = is_sha1 ? HashKind::kSha1 : HashKind::kSha256,
          .is_plus = IsBound(mechanism)};
}

}  // namespace

absl::string_view MechanismName(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kScramSha256Plus:
      return "SCRAM-SHA-256-PLUS";
    case Mechanism::kScramSha1Plus:
      return "SCRAM-SHA-1-PLUS";
    case Mechanism::kScramSha256:
      return "SCRAM-SHA-256";
    case Mechanism::kScramSha1:
      return "SCRAM-SHA-1";
    case Mechanism::kExternal:
      return "EXTERNAL";
    case Mechanism::kCramMd5:
      return "CRAM-MD5";
    case Mechanism::kPlain:
      return "PLAIN";
    case Mechanism::kLogin:
      return "LOGIN";
  }
  return "";
}

bool IsBound(Mechanism mechanism) {
  return mechanism == Mechanism::kScramSha256Plus || mechanism == Mechanism::kScramSha1Plus;
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
  if (mechanism == Mechanism::kExternal) {
    audience.gateways = false;
    audience.by_certificate = true;
  }
  return audience;
}

std::vector<Mechanism> OfferedMechanisms(const ListenerTraits& listener,
                                         const SessionTraits& session,
                                         const LoginDirectory& directory) {
  std::vector<Mechanism> offered;
  for (Mechanism mechanism : kBestFirst) {
    if (FitsSession(mechanism, listener, session) &&
        HasUser(mechanism, AudienceOf(mechanism, listener), directory)) {
      offered.push_back(mechanism);
    }
  }
  return offered;
}

std::unique_ptr<SaslExchange> MakeExchange(Mechanism mechanism, SaslInput input) {
  switch (mechanism) {
    case Mechanism::kScramSha256Plus:
    case Mechanism::kScramSha1Plus:
    case Mechanism::kScramSha256:
    case Mechanism::kScramSha1:
      return std::make_unique<ScramExchange>(VariantOf(mechanism), std::move(input));
    case Mechanism::kExternal:
      return std::make_unique<ExternalExchange>(std::move(input));
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
