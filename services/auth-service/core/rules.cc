#include "services/auth-service/core/rules.h"

#include <string>

#include "absl/status/statusor.h"
#include "services/auth-service/core/case.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {
namespace {

template <typename AnyCase>
struct Rule {
  absl::string_view id;
  const smtp::ReplyCode& reply;
  bool (*refuses)(const AnyCase& c);
};

// ---------------------------------------------------------------------------------- MAIL FROM

constexpr Rule<MailCase> kMailRules[] = {
    // [RFC6409 4.3] Submission is for those who have authenticated.
    {"PL-1", smtp::kAuthRequired,
     [](const MailCase& c) { return c.is_submission() && !c.is_authenticated(); }},

    // Local IPs must authenticate; trusted ones need not.
    {"AU-4", smtp::kAuthRequired,
     [](const MailCase& c) {
       return c.auth().require_from_local_ips() && !c.is_authenticated() && c.ClientIsLocal() &&
              !c.ClientIsTrusted();
     }},

    // Nobody uses a local domain as sender without having authenticated.
    {"AU-1", smtp::kAuthRequired,
     [](const MailCase& c) {
       return c.auth().require_for_local_senders() && !c.is_authenticated() && c.SenderIsLocal();
     }},

    // Nor a gateway's, unless the gateway says so.
    {"DQ-5", smtp::kAuthRequired,
     [](const MailCase& c) { return !c.is_authenticated() && c.SenderIsInGuardedGateway(); }},

    // Who has authenticated sends as himself. The null sender passes.
    {"AU-5", smtp::kSenderMismatch,
     [](const MailCase& c) {
       return c.auth().match_return_path() && c.is_authenticated() && !c.SenderIsNull() &&
              !c.SenderBelongsToIdentity();
     }},
};

// ------------------------------------------------------------------------------------ RCPT TO

constexpr Rule<RcptCase> kRcptRules[] = {
    {"PL-1", smtp::kAuthRequired,
     [](const RcptCase& c) { return c.is_submission() && !c.is_authenticated(); }},

    // [RFC5321 4.5.1] `postmaster` without a domain is the first local domain's. With no local
    // domain there is nobody here who could be meant.
    {"AU-24", smtp::kNoSuchUser,
     [](const RcptCase& c) { return c.IsBarePostmaster() && !c.HasPostmasterDomain(); }},

    // Percent hack, bang path, second @ and DECnet route: a host behind us may look into the local
    // part and send on as if we had asked. Not even for those who may relay: the way to a foreign
    // address is its own domain.
    {"AU-24", smtp::kRelayDenied,
     [](const RcptCase& c) { return c.HasRoutingLocalPart() && (c.IsForUs() || !c.MayRelay()); }},

    // Mail for our own address, by number, would come back to us.
    {"AU-24", smtp::kRelayDenied, [](const RcptCase& c) { return c.IsOwnLiteral(); }},

    // The relay rule.
    {"AU-24", smtp::kRelayDenied,
     [](const RcptCase& c) { return !c.IsBarePostmaster() && !c.IsForUs() && !c.MayRelay(); }},

    // local_domains[].accept_any_recipient is off.
    {"local-recipient", smtp::kNoSuchUser,
     [](const RcptCase& c) { return c.IsUnknownLocalRecipient(); }},
};

// ---------------------------------------------------------------------------------------------

template <typename AnyCase, size_t kCount>
v1::Verdict Judge(const Rule<AnyCase> (&rules)[kCount], const AnyCase& c) {
  v1::Verdict verdict;
  verdict.set_accepted(true);
  for (const Rule<AnyCase>& rule : rules) {
    if (rule.refuses(c)) {
      verdict = Refuse(rule.id, rule.reply);
      break;
    }
  }
  *verdict.mutable_scope() = c.scope();
  return verdict;
}

// Null for a text that is no mailbox.
absl::StatusOr<smtp::Mailbox> ReadMailbox(absl::string_view text) {
  return smtp::Mailbox::Parse(text, {.allow_utf8 = true});
}

// Mail that we have asked a provider for: who may have sent it was the provider's question. (DQ-50)
v1::Verdict AcceptCollected() {
  v1::Verdict verdict;
  verdict.set_accepted(true);
  return verdict;
}

v1::RecipientClass ClassOf(spool::v1::QueueKind kind) {
  return kind == spool::v1::QUEUE_KIND_GATEWAY ? v1::RECIPIENT_CLASS_GATEWAY
         : kind == spool::v1::QUEUE_KIND_LOCAL ? v1::RECIPIENT_CLASS_LOCAL
                                               : v1::RECIPIENT_CLASS_REMOTE;
}

}  // namespace

v1::Verdict Refuse(absl::string_view rule, const smtp::ReplyCode& reply) {
  v1::Verdict verdict;
  verdict.set_rule(std::string(rule));
  verdict.mutable_reply()->set_code(reply.code);
  verdict.mutable_reply()->set_enhanced_code(reply.enhanced.ToString());
  verdict.mutable_reply()->set_text(std::string(reply.text));
  return verdict;
}

v1::Verdict DecideMail(const Site& site, const v1::SessionFacts& facts,
                       absl::string_view return_path) {
  const bool is_collected = facts.role() == v1::LISTENER_ROLE_COLLECTION;
  if (return_path.empty()) {
    return is_collected ? AcceptCollected() : Judge(kMailRules, MailCase(site, facts, nullptr));
  }
  const absl::StatusOr<smtp::Mailbox> sender = ReadMailbox(return_path);
  if (!sender.ok()) return Refuse("PL-4", smtp::kBadSenderSyntax);
  return is_collected ? AcceptCollected() : Judge(kMailRules, MailCase(site, facts, &*sender));
}

v1::Verdict DecideRcpt(const Site& site, const v1::SessionFacts& facts, absl::string_view address) {
  const absl::StatusOr<smtp::Mailbox> recipient = ReadMailbox(address);
  if (!recipient.ok()) return Refuse("PL-4", smtp::kBadRecipientSyntax);
  const RcptCase c(site, facts, *recipient);
  v1::Verdict verdict = Judge(kRcptRules, c);
  if (!verdict.accepted()) return verdict;
  if (c.IsBarePostmaster()) {
    verdict.set_recipient_class(v1::RECIPIENT_CLASS_LOCAL);
    verdict.set_queue(site.postmaster_domain()->ascii());
    return verdict;
  }
  const routing::Place place = site.PlaceOf(*recipient);
  verdict.set_recipient_class(ClassOf(place.queue.kind()));
  verdict.set_queue(place.queue.name());
  return verdict;
}

}  // namespace turnpike::auth
