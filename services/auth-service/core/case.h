// One question about one message, as the rules see it. A case remembers what the rules have looked
// at, and that is the scope of the verdict: it holds for every case that is the same in these
// respects. So a rule added later cannot forget to narrow the scope.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CASE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CASE_H_

#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/site.h"
#include "services/common/smtp/address.h"

namespace turnpike::auth {

// What a case and all others have in common. The listener and the identity are always part of a
// verdict's scope, so looking at them costs nothing.
class Case {
 public:
  bool is_authenticated() const { return facts_.has_identity(); }
  bool is_submission() const {
    return facts_.role() == v1::LISTENER_ROLE_SUBMISSION ||
           facts_.role() == v1::LISTENER_ROLE_SUBMISSIONS;
  }
  const config::v1::Auth& auth() const { return site_.auth(); }

  bool ClientIsLocal() const;
  bool ClientIsTrusted() const;
  // Mail that we collect from a provider (DQ-50).
  bool is_collected() const { return facts_.role() == v1::LISTENER_ROLE_COLLECTION; }
  // The relay rule's condition (AU-24). What a provider hands over is for us, whatever its address.
  bool MayRelay() const { return !is_collected() && (is_authenticated() || ClientIsTrusted()); }

  // As far as the address's local part does not matter, this is the whole scope. Never unset.
  v1::Scope scope() const;

 protected:
  enum Look : unsigned {
    kClient = 1,
    kSenderDomain = 2,
    kSender = 4,
    kRecipient = 8,
  };
  Case(const Site& site, const v1::SessionFacts& facts) : site_(site), facts_(facts) {}
  void LookAt(Look what) const { looks_ |= what; }

  const Site& site_;
  const v1::SessionFacts& facts_;

 private:
  mutable unsigned looks_ = 0;
};

// MAIL: is this sender welcome? `sender` is null for the null sender; all must outlive the case.
class MailCase : public Case {
 public:
  MailCase(const Site& site, const v1::SessionFacts& facts, const smtp::Mailbox* sender)
      : Case(site, facts), sender_(sender) {}

  bool SenderIsNull() const;
  bool SenderIsLocal() const;             // in a local domain, or a bare postmaster
  bool SenderIsInGuardedGateway() const;  // whose senders must authenticate
  bool SenderBelongsToIdentity() const;

 private:
  const smtp::Mailbox* const sender_;
};

// RCPT: may mail go there from here? `recipient` must outlive the case.
class RcptCase : public Case {
 public:
  RcptCase(const Site& site, const v1::SessionFacts& facts, const smtp::Mailbox& recipient)
      : Case(site, facts), recipient_(recipient) {}

  // The domain is always part of the scope, so looking at it costs nothing; nor does an address
  // that routes, because caches ask about each of these by itself (client/verdict_cache.h).
  bool IsForUs() const;  // a gateway's, a local or a relay domain
  bool HasRoutingLocalPart() const { return recipient_.has_routing_local_part(); }
  bool IsBarePostmaster() const {
    return recipient_.domain() == nullptr && recipient_.literal() == nullptr;
  }
  bool HasPostmasterDomain() const { return site_.postmaster_domain().has_value(); }
  bool IsOwnLiteral() const;
  bool IsUnknownLocalRecipient() const;

 private:
  const smtp::Mailbox& recipient_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CASE_H_
