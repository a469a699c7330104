// One question about one message, as the rules see it. A case remembers what the rules have looked
// at, and that is the scope of the verdict: it holds for every case that is the same in these
// respects. So a rule added later cannot forget to narrow the scope.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CASE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CASE_H_

#include <optional>
#include <string>

#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/evidence.h"
#include "services/auth-service/core/from_header.h"
#include "services/auth-service/core/site.h"
#include "services/common/smtp/address.h"

namespace turnpike::auth {

// The listener and the identity are always part of a verdict's scope, so looking at them costs
// nothing. Thread-compatible.
class Case {
 public:
  // All outlive the case.
  struct Facts {
    const Site& site;
    const v1::SessionFacts& session;
    const Evidence& evidence;
    const smtp::Mailbox* sender = nullptr;     // null: the null sender
    const smtp::Mailbox* recipient = nullptr;  // at RCPT
    const FromHeader* from = nullptr;          // at the end of the header
  };
  explicit Case(const Facts& facts) : facts_(facts) {}

  const config::v1::Auth& auth() const { return site().auth(); }

  // --- The session ---
  bool IsSubmission() const;
  bool IsAuthenticated() const { return session().has_identity(); }
  bool IsStranger() const { return !IsAuthenticated() && !IsCollected(); }
  // Mail that we collect from a provider (DQ-50).
  bool IsCollected() const { return session().role() == v1::LISTENER_ROLE_COLLECTION; }
  bool ClientIsLocal() const;
  bool ClientIsTrusted() const;
  // The relay rule's condition. What a provider hands over is for us, whatever its address.
  bool MayRelay() const { return !IsCollected() && (IsAuthenticated() || ClientIsTrusted()); }
  bool IsExemptGatewaySession() const;  // a gateway's own, which AU-8 exempts

  // --- The return path ---
  bool SenderIsNull() const;
  bool SenderIsLocal() const;             // in a local domain, or a bare postmaster
  bool SenderIsRole() const;              // postmaster, abuse or webmaster of a local domain
  bool SenderIsInGuardedGateway() const;  // whose senders must authenticate
  // Likewise, and the session is a gateway's, but not that one's.
  bool SenderIsInAnotherGuardedGateway() const;
  bool SenderIsLocalAccount() const;  // an account's address or alias in a local domain
  bool SenderIsShared() const;        // no account here, but found on another server
  bool SenderHasLoggedIn() const;     // at a mailbox server, lately, from this client's address
  bool SenderBelongsToIdentity() const;
  bool SenderIsExempt() const;  // auth.match_exemptions names it

  // --- The recipient, at RCPT ---
  // The domain is always part of the scope, so looking at it costs nothing; nor does an address
  // that routes, because caches ask about each of these by itself (client/verdict_cache.h).
  bool IsForUs() const;  // a gateway's, a local or a relay domain
  bool HasRoutingLocalPart() const { return facts_.recipient->has_routing_local_part(); }
  bool IsBarePostmaster() const;
  bool HasPostmasterDomain() const { return site().postmaster_domain().has_value(); }
  bool IsOwnLiteral() const;
  bool IsUnknownLocalRecipient() const;
  bool RecipientIsLocalAccount() const;
  bool RecipientIsExemptGateway() const;  // mail for it is not matched (AU-8)
  bool SomeGatewayIsExempt() const { return site().has_exempt_gateways(); }

  // --- The From: header ---
  bool FromIsReadable() const { return facts_.from->problem == FromHeader::Problem::kNone; }
  bool EachFromIsPermitted() const;  // belongs to the identity, or is exempt

  // What was looked for in the evidence and is not there. The case's answers count for nothing
  // then.
  const std::optional<Want>& want() const { return want_; }

  // As far as the address's local part does not matter, this is the whole scope. Unset lifetime
  // when the verdict rests on evidence, which may be another a moment later.
  v1::Scope scope() const;

 private:
  enum Look : unsigned {
    kClient = 1,
    kSenderDomain = 2,
    kSender = 4,
    kRecipient = 8,
    kEvidence = 16,
  };

  const Site& site() const { return facts_.site; }
  const v1::SessionFacts& session() const { return facts_.session; }
  void LookAt(Look what) const { looks_ |= what; }
  void Miss(Want::Kind kind, std::string address) const;
  // The account that has the address, by its own address.
  std::optional<std::string> OwnerOf(const smtp::Mailbox& mailbox) const;
  bool BelongsToIdentity(const smtp::Mailbox& mailbox) const;

  const Facts facts_;
  mutable unsigned looks_ = 0;
  mutable std::optional<Want> want_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CASE_H_
