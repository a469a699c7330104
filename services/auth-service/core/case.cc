#include "services/auth-service/core/case.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace turnpike::auth {
namespace {

// Also bounds how late a changed configuration bites.
constexpr absl::Duration kVerdictLifetime = absl::Seconds(60);

constexpr absl::string_view kRoles[] = {"postmaster", "abuse", "webmaster"};

bool IsBare(const smtp::Mailbox& mailbox) {
  return mailbox.domain() == nullptr && mailbox.literal() == nullptr;
}

}  // namespace

// ---------------------------------------------------------------------------------- the session

bool Case::IsSubmission() const {
  return session().role() == v1::LISTENER_ROLE_SUBMISSION ||
         session().role() == v1::LISTENER_ROLE_SUBMISSIONS;
}

bool Case::ClientIsLocal() const {
  if (!site().has_local_networks()) return false;
  LookAt(kClient);
  return site().IsLocalClient(session().client_address());
}

bool Case::ClientIsTrusted() const {
  if (!site().has_trusted_networks()) return false;
  LookAt(kClient);
  return site().IsTrustedClient(session().client_address());
}

bool Case::IsExemptGatewaySession() const {
  if (session().identity().kind() != v1::Identity::KIND_GATEWAY) return false;
  const absl::StatusOr<smtp::DomainName> domain =
      smtp::DomainName::Parse(session().identity().name());
  const Site::GatewayRules* gateway = domain.ok() ? site().FindGateway(*domain) : nullptr;
  return gateway != nullptr && gateway->is_exempt_from_matching;
}

// ------------------------------------------------------------------------------ the return path

bool Case::SenderIsNull() const {
  LookAt(kSenderDomain);
  return facts_.sender == nullptr;
}

bool Case::SenderIsLocal() const {
  if (!site().has_local_domains()) return false;
  LookAt(kSenderDomain);
  const smtp::Mailbox* sender = facts_.sender;
  if (sender == nullptr || sender->literal() != nullptr) return false;
  return sender->domain() == nullptr || site().IsLocal(*sender->domain());
}

bool Case::SenderIsRole() const {
  if (!SenderIsLocal()) return false;
  LookAt(kSender);
  return std::any_of(std::begin(kRoles), std::end(kRoles), [this](absl::string_view role) {
    return absl::EqualsIgnoreCase(facts_.sender->local_part(), role);
  });
}

bool Case::SenderIsInGuardedGateway() const {
  if (!site().has_gateways()) return false;
  LookAt(kSenderDomain);
  const smtp::Mailbox* sender = facts_.sender;
  if (sender == nullptr || sender->domain() == nullptr) return false;
  const Site::GatewayRules* gateway = site().FindGateway(*sender->domain());
  return gateway != nullptr && gateway->senders_must_authenticate;
}

bool Case::SenderIsInAnotherGuardedGateway() const {
  return session().identity().kind() == v1::Identity::KIND_GATEWAY && SenderIsInGuardedGateway() &&
         site().FindGateway(*facts_.sender->domain())->domain != session().identity().name();
}

bool Case::SenderIsLocalAccount() const {
  if (!SenderIsLocal()) return false;
  LookAt(kSender);
  return OwnerOf(*facts_.sender).has_value();
}

bool Case::SenderIsShared() const {
  if (!site().has_domain_sharing() || !SenderIsLocal() || IsBare(*facts_.sender)) return false;
  // Who has an account here logs in here, whoever else takes mail for the address.
  if (SenderIsLocalAccount() || want_.has_value()) return false;
  LookAt(kEvidence);
  if (!facts_.evidence.is_sender_shared.has_value()) {
    Miss(Want::Kind::kSharing, site().KeyOf(*facts_.sender));
    return false;
  }
  return *facts_.evidence.is_sender_shared;
}

bool Case::SenderHasLoggedIn() const {
  LookAt(kSender);
  LookAt(kClient);
  LookAt(kEvidence);
  if (!facts_.evidence.has_sender_logged_in.has_value()) {
    const std::optional<std::string> owner = OwnerOf(*facts_.sender);
    if (owner.has_value()) Miss(Want::Kind::kRecentLogin, absl::AsciiStrToLower(*owner));
    return false;
  }
  return *facts_.evidence.has_sender_logged_in;
}

bool Case::SenderBelongsToIdentity() const {
  LookAt(session().identity().kind() == v1::Identity::KIND_GATEWAY ? kSenderDomain : kSender);
  return facts_.sender != nullptr && BelongsToIdentity(*facts_.sender);
}

bool Case::SenderIsExempt() const {
  if (!site().has_match_exemptions()) return false;
  LookAt(kSender);
  return facts_.sender != nullptr && site().IsExemptFromMatching(*facts_.sender);
}

// -------------------------------------------------------------------------------- the recipient

bool Case::IsForUs() const {
  const smtp::DomainName* domain = facts_.recipient->domain();
  return domain != nullptr && (site().FindGateway(*domain) != nullptr || site().IsLocal(*domain) ||
                               site().IsRelay(*domain));
}

bool Case::IsBarePostmaster() const { return IsBare(*facts_.recipient); }

bool Case::IsOwnLiteral() const {
  return facts_.recipient->literal() != nullptr &&
         site().IsOwnLiteral(*facts_.recipient->literal());
}

bool Case::IsUnknownLocalRecipient() const {
  const smtp::DomainName* domain = facts_.recipient->domain();
  if (domain == nullptr || !site().IsLocal(*domain) || site().AcceptsAnyRecipient(*domain)) {
    return false;
  }
  LookAt(kRecipient);
  return !OwnerOf(*facts_.recipient).has_value();
}

bool Case::RecipientIsLocalAccount() const {
  const smtp::DomainName* domain = facts_.recipient->domain();
  if (!IsBarePostmaster() && (domain == nullptr || !site().IsLocal(*domain))) return false;
  LookAt(kRecipient);
  return OwnerOf(*facts_.recipient).has_value();
}

bool Case::RecipientIsExemptGateway() const {
  const smtp::DomainName* domain = facts_.recipient->domain();
  const Site::GatewayRules* gateway = domain != nullptr ? site().FindGateway(*domain) : nullptr;
  return gateway != nullptr && gateway->is_exempt_from_matching;
}

// ------------------------------------------------------------------------------------- From:

bool Case::EachFromIsPermitted() const {
  return std::all_of(facts_.from->addresses.begin(), facts_.from->addresses.end(),
                     [this](const smtp::Mailbox& address) {
                       return site().IsExemptFromMatching(address) || BelongsToIdentity(address);
                     });
}

// ------------------------------------------------------------------------------------ evidence

void Case::Miss(Want::Kind kind, std::string address) const {
  if (!want_.has_value()) want_ = Want{kind, std::move(address)};
}

std::optional<std::string> Case::OwnerOf(const smtp::Mailbox& mailbox) const {
  std::string key = site().KeyOf(mailbox);
  if (const std::string* owner = site().FindOwner(key)) return *owner;
  if (!site().has_directories() || mailbox.literal() != nullptr) return std::nullopt;
  LookAt(kEvidence);
  const auto found = facts_.evidence.owners.find(key);
  if (found != facts_.evidence.owners.end()) return found->second;
  Miss(Want::Kind::kOwner, std::move(key));
  return std::nullopt;
}

bool Case::BelongsToIdentity(const smtp::Mailbox& mailbox) const {
  const v1::Identity& identity = session().identity();
  if (identity.kind() == v1::Identity::KIND_GATEWAY) {
    const Site::GatewayRules* gateway =
        mailbox.domain() != nullptr ? site().FindGateway(*mailbox.domain()) : nullptr;
    return gateway != nullptr && gateway->domain == identity.name();
  }
  const std::optional<std::string> owner = OwnerOf(mailbox);
  return owner.has_value() && absl::EqualsIgnoreCase(*owner, identity.name());
}

v1::Scope Case::scope() const {
  v1::Scope scope;
  if ((looks_ & kEvidence) != 0) return scope;
  scope.mutable_lifetime_duration()->set_seconds(absl::ToInt64Seconds(kVerdictLifetime));
  scope.set_any_client((looks_ & kClient) == 0);
  scope.set_any_sender((looks_ & (kSenderDomain | kSender)) == 0);
  scope.set_any_sender_in_domain((looks_ & kSender) == 0);
  scope.set_any_recipient_in_domain((looks_ & kRecipient) == 0);
  return scope;
}

}  // namespace turnpike::auth
