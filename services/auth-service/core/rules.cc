#include "services/auth-service/core/rules.h"

#include <algorithm>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "services/auth-service/core/case.h"
#include "services/auth-service/core/from_header.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {
namespace {

// Each refusal comes at the earliest stage at which it is certain.
enum class Stage { kMail, kRcpt, kHeader };

struct Rule {
  absl::string_view id;
  Stage stage;
  const smtp::ReplyCode& reply;
  bool (*refuses)(const Case& c);
};

// AU-5 and AU-6 match what an authenticated session sends, unless it is a gateway's own and the
// gateway is exempt (AU-8).
bool IsMatched(const Case& c) { return c.IsAuthenticated() && !c.IsExemptGatewaySession(); }

// AU-5 at MAIL, or at RCPT where the recipient may be exempt.
bool ViolatesReturnPath(const Case& c) {
  return c.auth().match_return_path() && IsMatched(c) && !c.SenderIsNull() && !c.SenderIsExempt() &&
         !c.SenderBelongsToIdentity();
}

// AU-1 at MAIL, or at RCPT where the recipient may be exempt. Other servers are asked last.
bool ViolatesLocalSender(const Case& c) {
  return c.auth().require_for_local_senders() && c.IsStranger() && c.SenderIsLocal() &&
         !(c.auth().shared_domain_senders_exempt() && c.SenderIsShared());
}

// AU-10 and AU-21.
bool NeedsMailboxLogin(const Case& c) {
  return c.auth().pop_before_smtp().enabled() && c.SenderIsLocalAccount() && !c.SenderHasLoggedIn();
}

constexpr Rule kRules[] = {
    // ------------------------------------------------------------------------------- MAIL FROM

    // [RFC6409 4.3] Submission is for those who have authenticated.
    {"PL-1", Stage::kMail, smtp::kAuthRequired,
     [](const Case& c) { return c.IsSubmission() && !c.IsAuthenticated(); }},

    // Local IPs must authenticate; trusted ones need not.
    {"AU-4", Stage::kMail, smtp::kAuthRequired,
     [](const Case& c) {
       return c.auth().require_from_local_ips() && c.IsStranger() && c.ClientIsLocal() &&
              !c.ClientIsTrusted();
     }},

    // Nobody is our postmaster without having authenticated, whatever else is exempt.
    {"AU-9", Stage::kMail, smtp::kAuthRequired,
     [](const Case& c) {
       return c.auth().require_for_role_senders() && c.IsStranger() && c.SenderIsRole();
     }},

    // Nobody uses a local domain as sender without having authenticated …
    {"AU-1", Stage::kMail, smtp::kAuthRequired,
     [](const Case& c) { return !c.auth().local_recipients_exempt() && ViolatesLocalSender(c); }},

    // Nor a gateway's, unless the gateway says so; not even as another gateway.
    {"DQ-5", Stage::kMail, smtp::kAuthRequired,
     [](const Case& c) { return c.IsStranger() && c.SenderIsInGuardedGateway(); }},
    {"DQ-5", Stage::kMail, smtp::kAuthRequired,
     [](const Case& c) { return c.SenderIsInAnotherGuardedGateway(); }},

    // POP before SMTP: strangers always, the authenticated where they are not exempt.
    {"AU-21", Stage::kMail, smtp::kAuthRequired,
     [](const Case& c) { return c.IsStranger() && NeedsMailboxLogin(c); }},
    {"AU-10", Stage::kMail, smtp::kMailboxLoginRequired,
     [](const Case& c) {
       return c.IsAuthenticated() && !c.auth().pop_before_smtp().authenticated_exempt() &&
              NeedsMailboxLogin(c);
     }},

    // Who has authenticated sends as himself …
    {"AU-5", Stage::kMail, smtp::kSenderMismatch,
     [](const Case& c) { return !c.SomeGatewayIsExempt() && ViolatesReturnPath(c); }},

    // --------------------------------------------------------------------------------- RCPT TO

    {"PL-1", Stage::kRcpt, smtp::kAuthRequired,
     [](const Case& c) { return c.IsSubmission() && !c.IsAuthenticated(); }},

    // … unless for a local account (AU-2).
    {"AU-1", Stage::kRcpt, smtp::kAuthRequired,
     [](const Case& c) {
       return c.auth().local_recipients_exempt() && ViolatesLocalSender(c) &&
              !c.RecipientIsLocalAccount();
     }},

    // … unless to an exempt gateway (AU-8).
    {"AU-5", Stage::kRcpt, smtp::kSenderMismatch,
     [](const Case& c) {
       return c.SomeGatewayIsExempt() && !c.RecipientIsExemptGateway() && ViolatesReturnPath(c);
     }},

    // [RFC5321 4.5.1] `postmaster` without a domain is the first local domain's. With no local
    // domain there is nobody here who could be meant.
    {"AU-24", Stage::kRcpt, smtp::kNoSuchUser,
     [](const Case& c) { return c.IsBarePostmaster() && !c.HasPostmasterDomain(); }},

    // Percent hack, bang path, second @ and DECnet route: a host behind us may look into the local
    // part and send on as if we had asked. Not even for those who may relay: the way to a foreign
    // address is its own domain.
    {"AU-24", Stage::kRcpt, smtp::kRelayDenied,
     [](const Case& c) { return c.HasRoutingLocalPart() && (c.IsForUs() || !c.MayRelay()); }},

    // Mail for our own address, by number, would come back to us.
    {"AU-24", Stage::kRcpt, smtp::kRelayDenied, [](const Case& c) { return c.IsOwnLiteral(); }},

    // The relay rule.
    {"AU-24", Stage::kRcpt, smtp::kRelayDenied,
     [](const Case& c) { return !c.IsBarePostmaster() && !c.IsForUs() && !c.MayRelay(); }},

    // local_domains[].accept_any_recipient is off.
    {"local-recipient", Stage::kRcpt, smtp::kNoSuchUser,
     [](const Case& c) { return c.IsUnknownLocalRecipient(); }},

    // ------------------------------------------------------------------------- the From: header

    {"AU-6", Stage::kHeader, smtp::kFromHeaderMismatch,
     [](const Case& c) {
       return c.auth().match_from_header() && IsMatched(c) &&
              (!c.FromIsReadable() || !c.EachFromIsPermitted());
     }},
};

// ---------------------------------------------------------------------------------------------

Decision Judge(Stage stage, const Case& c) {
  Decision decision;
  decision.verdict.set_accepted(true);
  for (const Rule& rule : kRules) {
    if (rule.stage != stage) continue;
    const bool refuses = rule.refuses(c);
    if (c.want().has_value()) return {.verdict = {}, .want = c.want()};
    if (refuses) {
      decision.verdict = Refuse(rule.id, rule.reply);
      break;
    }
  }
  *decision.verdict.mutable_scope() = c.scope();
  return decision;
}

// Whether AU-6 will have to see the header: at MAIL for all recipients, unless some are exempt,
// then at RCPT for those that are not.
bool NeedsHeader(const Case& c) { return c.auth().match_from_header() && IsMatched(c); }

// Mail that we have asked a provider for: who may have sent it was the provider's question. (DQ-50)
Decision AcceptCollected() {
  Decision decision;
  decision.verdict.set_accepted(true);
  return decision;
}

absl::StatusOr<smtp::Mailbox> ReadMailbox(absl::string_view text) {
  return smtp::Mailbox::Parse(text, {.allow_utf8 = true});
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

Decision DecideMail(const Site& site, const v1::SessionFacts& facts, absl::string_view return_path,
                    const Evidence& evidence) {
  std::optional<smtp::Mailbox> sender;
  if (!return_path.empty()) {
    absl::StatusOr<smtp::Mailbox> read = ReadMailbox(return_path);
    if (!read.ok()) return {.verdict = Refuse("PL-4", smtp::kBadSenderSyntax)};
    sender = *std::move(read);
  }
  const Case c({.site = site,
                .session = facts,
                .evidence = evidence,
                .sender = sender.has_value() ? &*sender : nullptr});
  if (c.IsCollected()) return AcceptCollected();
  Decision decision = Judge(Stage::kMail, c);
  decision.verdict.set_wants_header(decision.verdict.accepted() && NeedsHeader(c) &&
                                    !c.SomeGatewayIsExempt());
  return decision;
}

Decision DecideRcpt(const Site& site, const v1::SessionFacts& facts, absl::string_view return_path,
                    absl::string_view address, const Evidence& evidence) {
  const absl::StatusOr<smtp::Mailbox> recipient = ReadMailbox(address);
  if (!recipient.ok()) return {.verdict = Refuse("PL-4", smtp::kBadRecipientSyntax)};
  // MAIL has been accepted with it.
  const absl::StatusOr<smtp::Mailbox> sender = ReadMailbox(return_path);
  const Case c({.site = site,
                .session = facts,
                .evidence = evidence,
                .sender = sender.ok() ? &*sender : nullptr,
                .recipient = &*recipient});
  Decision decision = Judge(Stage::kRcpt, c);
  v1::Verdict& verdict = decision.verdict;
  if (decision.want.has_value() || !verdict.accepted()) return decision;
  verdict.set_wants_header(NeedsHeader(c) && c.SomeGatewayIsExempt() &&
                           !c.RecipientIsExemptGateway());
  if (c.IsBarePostmaster()) {
    verdict.set_recipient_class(v1::RECIPIENT_CLASS_LOCAL);
    verdict.set_queue(site.postmaster_domain()->ascii());
    return decision;
  }
  const routing::Place place = site.PlaceOf(*recipient);
  verdict.set_recipient_class(ClassOf(place.queue.kind()));
  verdict.set_queue(place.queue.name());
  return decision;
}

Decision DecideHeader(const Site& site, const v1::SessionFacts& facts, absl::string_view header,
                      const Evidence& evidence) {
  const FromHeader from = ReadFromHeader(header);
  const Case c({.site = site, .session = facts, .evidence = evidence, .from = &from});
  Decision decision = Judge(Stage::kHeader, c);
  decision.verdict.clear_scope();  // of this one message
  return decision;
}

bool IsAuthDisallowed(const Site& site, const v1::SessionFacts& facts) {
  return site.auth().disallow_on_smtp_port() && facts.role() == v1::LISTENER_ROLE_SMTP;
}

UnofferedAuthDecision DecideUnofferedAuth(const Site& site, const v1::SessionFacts& facts) {
  if (!IsAuthDisallowed(site, facts)) return {.verdict = Refuse("AU-13", smtp::kNotImplemented)};
  if (!site.auth().screen_on_disallowed_auth()) {
    return {.verdict = Refuse("AU-11", smtp::kUnknownCommand)};
  }
  UnofferedAuthDecision decision{.verdict = Refuse("AU-12", smtp::kScreened), .screens = true};
  decision.verdict.set_close(true);
  return decision;
}

std::vector<absl::string_view> RuleNames() {
  std::vector<absl::string_view> names = {"AU-11", "AU-12", "AU-13", "PL-4"};
  for (const Rule& rule : kRules) {
    if (!absl::c_linear_search(names, rule.id)) names.push_back(rule.id);
  }
  return names;
}

}  // namespace turnpike::auth
