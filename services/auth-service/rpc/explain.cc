#include "services/auth-service/rpc/explain.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/auth-service/core/rules.h"
#include "services/auth-service/rpc/directory_chain.h"
#include "services/auth-service/rpc/inquiry.h"
#include "services/common/net/ip.h"
#include "services/common/smtp/domain_name.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {
namespace {

// In the words of the console and the command line: `gateway/customer.example`.
std::string QueueText(const v1::Verdict& verdict) {
  switch (verdict.recipient_class()) {
    case v1::RECIPIENT_CLASS_GATEWAY:
      return absl::StrCat("gateway/", verdict.queue());
    case v1::RECIPIENT_CLASS_LOCAL:
      return absl::StrCat("local/", verdict.queue());
    default:
      return absl::StrCat("remote/", verdict.queue());
  }
}

v1::ExplainVerdictResponse ResponseOf(const v1::Verdict& verdict) {
  v1::ExplainVerdictResponse response;
  response.set_accepted(verdict.accepted());
  if (verdict.accepted()) {
    response.set_code(smtp::kRecipientOk.code);
    response.set_enhanced_code(smtp::kRecipientOk.enhanced.ToString());
    response.set_text(std::string(smtp::kRecipientOk.text));
    response.set_queue(QueueText(verdict));
    return response;
  }
  response.set_code(verdict.reply().code());
  response.set_enhanced_code(verdict.reply().enhanced_code());
  response.set_text(verdict.reply().text());
  response.set_rule(verdict.rule());
  return response;
}

struct Case {
  std::shared_ptr<const SessionParts> parts;
  v1::ExplainVerdictRequest request;
  v1::SessionFacts facts;
  absl::Time deadline;
  Explainer::Done done;
};

// The session that the request describes, but for a login of another directory.
absl::StatusOr<v1::SessionFacts> FactsOf(const v1::ExplainVerdictRequest& request,
                                         const Site& site) {
  v1::SessionFacts facts;
  const ListenerTraits* listener = site.FindListener(request.listener());
  if (listener == nullptr) return absl::InvalidArgumentError("listener: there is none so named");
  const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(request.client_address());
  if (!address.ok()) return absl::InvalidArgumentError("client_address: not an IP address");
  facts.set_client_address(address->ToString());
  facts.set_listener(request.listener());
  facts.set_role(listener->role);
  facts.set_tls(request.tls());
  return facts;
}

void JudgeRcpt(const std::shared_ptr<Case>& asked) {
  Inquire(
      asked->parts->witnesses, asked->facts.client_address(), asked->deadline,
      [site = asked->parts->site, asked](const Evidence& evidence) {
        return DecideRcpt(*site, asked->facts, asked->request.return_path(),
                          asked->request.recipient(), evidence);
      },
      [asked](const v1::Verdict& verdict) { asked->done(ResponseOf(verdict)); });
}

void JudgeMail(const std::shared_ptr<Case>& asked) {
  Inquire(
      asked->parts->witnesses, asked->facts.client_address(), asked->deadline,
      [site = asked->parts->site, asked](const Evidence& evidence) {
        return DecideMail(*site, asked->facts, asked->request.return_path(), evidence);
      },
      [asked](const v1::Verdict& verdict) {
        if (!verdict.accepted()) return asked->done(ResponseOf(verdict));
        JudgeRcpt(asked);
      });
}

void FindLogin(const std::shared_ptr<Case>& asked) {
  const std::string& login = asked->request.login();
  v1::Identity& identity = *asked->facts.mutable_identity();
  if (login.find('@') == std::string::npos) {
    const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(login);
    const Site::GatewayRules* gateway =
        domain.ok() ? asked->parts->site->FindGateway(*domain) : nullptr;
    if (gateway == nullptr) {
      return asked->done(absl::InvalidArgumentError("login: no account, and no gateway"));
    }
    identity.set_kind(v1::Identity::KIND_GATEWAY);
    identity.set_name(gateway->domain);
    return JudgeMail(asked);
  }
  identity.set_kind(v1::Identity::KIND_ACCOUNT);
  const std::string key = absl::AsciiStrToLower(login);
  if (const std::string* owner = asked->parts->site->FindOwner(key)) {
    identity.set_name(*owner);
    return JudgeMail(asked);
  }
  const absl::Time deadline = asked->deadline;
  FindInDirectories(
      asked->parts->witnesses.directories, key, deadline,
      [asked](absl::StatusOr<FoundAccount> found) {
        if (!found.ok()) return asked->done(found.status());
        if (found->entry == nullptr) {
          return asked->done(absl::InvalidArgumentError("login: nobody has this address"));
        }
        asked->facts.mutable_identity()->set_name(found->entry->address);
        JudgeMail(asked);
      });
}

}  // namespace

void Explainer::Explain(const v1::ExplainVerdictRequest& request, Done done) const {
  const std::shared_ptr<const SessionParts> parts = parts_->Get();
  absl::StatusOr<v1::SessionFacts> facts = FactsOf(request, *parts->site);
  if (!facts.ok()) return done(facts.status());
  if (parts->screen != nullptr && parts->screen->FindBlocked(facts->client_address()).has_value()) {
    return done(ResponseOf(Refuse("AU-22", smtp::kBlocked)));
  }
  auto asked = std::make_shared<Case>(Case{.parts = parts,
                                           .request = request,
                                           .facts = *std::move(facts),
                                           .deadline = parts->clock.Now() + parts->lookup_timeout,
                                           .done = std::move(done)});
  if (request.login().empty()) return JudgeMail(std::move(asked));
  FindLogin(std::move(asked));
}

}  // namespace turnpike::auth
