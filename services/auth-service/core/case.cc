#include "services/auth-service/core/case.h"

#include "absl/time/time.h"

namespace turnpike::auth {
namespace {

// Also bounds how late a changed configuration bites.
constexpr absl::Duration kVerdictLifetime = absl::Seconds(60);

}  // namespace

bool Case::ClientIsLocal() const {
  if (!site_.has_local_networks()) return false;
  LookAt(kClient);
  return site_.IsLocalClient(facts_.client_address());
}

bool Case::ClientIsTrusted() const {
  if (!site_.has_trusted_networks()) return false;
  LookAt(kClient);
  return site_.IsTrustedClient(facts_.client_address());
}

v1::Scope Case::scope() const {
  v1::Scope scope;
  scope.mutable_lifetime_duration()->set_seconds(absl::ToInt64Seconds(kVerdictLifetime));
  scope.set_any_client((looks_ & kClient) == 0);
  scope.set_any_sender((looks_ & (kSenderDomain | kSender)) == 0);
  scope.set_any_sender_in_domain((looks_ & kSender) == 0);
  scope.set_any_recipient_in_domain((looks_ & kRecipient) == 0);
  return scope;
}

bool MailCase::SenderIsNull() const {
  LookAt(kSenderDomain);
  return sender_ == nullptr;
}

bool MailCase::SenderIsLocal() const {
  if (!site_.has_local_domains()) return false;
  LookAt(kSenderDomain);
  if (sender_ == nullptr || sender_->literal() != nullptr) return false;
  return sender_->domain() == nullptr || site_.IsLocal(*sender_->domain());
}

bool MailCase::SenderIsInGuardedGateway() const {
  if (!site_.has_gateways()) return false;
  LookAt(kSenderDomain);
  if (sender_ == nullptr || sender_->domain() == nullptr) return false;
  const Site::GatewayRules* gateway = site_.FindGateway(*sender_->domain());
  return gateway != nullptr && gateway->senders_must_authenticate;
}

bool MailCase::SenderBelongsToIdentity() const {
  LookAt(facts_.identity().kind() == v1::Identity::KIND_GATEWAY ? kSenderDomain : kSender);
  return sender_ != nullptr && site_.OwnsAddress(facts_.identity(), *sender_);
}

bool RcptCase::IsForUs() const {
  const smtp::DomainName* domain = recipient_.domain();
  return domain != nullptr && (site_.FindGateway(*domain) != nullptr || site_.IsLocal(*domain) ||
                               site_.IsRelay(*domain));
}

bool RcptCase::IsOwnLiteral() const {
  return recipient_.literal() != nullptr && site_.IsOwnLiteral(*recipient_.literal());
}

bool RcptCase::IsUnknownLocalRecipient() const {
  const smtp::DomainName* domain = recipient_.domain();
  if (domain == nullptr || !site_.IsLocal(*domain) || site_.AcceptsAnyRecipient(*domain)) {
    return false;
  }
  LookAt(kRecipient);
  return !site_.IsAccountAddress(recipient_);
}

}  // namespace turnpike::auth
