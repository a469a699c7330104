// Who may send what: the SMTP AUTH policy and the relay rule as one table. (smtp-auth.md)
//
// A rule names the stage at which it is asked, the case that it refuses, and the reply for it.
// Rules are tried in order; the first that refuses decides, and a case that none refuses is
// accepted. Rules say nothing about scopes: the case remembers what they looked at (case.h).
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RULES_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RULES_H_

#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/evidence.h"
#include "services/auth-service/core/site.h"
#include "services/common/smtp/reply.h"

namespace turnpike::auth {

// Either a verdict, or what must be known before there can be one.
struct Decision {
  v1::Verdict verdict;       // nothing in it while `want` is set
  std::optional<Want> want;  // put it into the evidence and decide again
};

// `return_path`, `address` and `header` are as in session.proto. An address that is no mailbox is
// refused with 501, like everything that a client can send.
Decision DecideMail(const Site& site, const v1::SessionFacts& facts, absl::string_view return_path,
                    const Evidence& evidence);
Decision DecideRcpt(const Site& site, const v1::SessionFacts& facts, absl::string_view return_path,
                    absl::string_view address, const Evidence& evidence);
Decision DecideHeader(const Site& site, const v1::SessionFacts& facts, absl::string_view header,
                      const Evidence& evidence);

// AUTH where no mechanism is offered. `screens` is set when the client is to be screened for it.
struct UnofferedAuthDecision {
  v1::Verdict verdict;
  bool screens = false;
};
UnofferedAuthDecision DecideUnofferedAuth(const Site& site, const v1::SessionFacts& facts);
// Whether AUTH exists on the session's listener at all (AU-11).
bool IsAuthDisallowed(const Site& site, const v1::SessionFacts& facts);

// A refusal by one rule, without a scope.
v1::Verdict Refuse(absl::string_view rule, const smtp::ReplyCode& reply);

// All rules that refuse, each once; for metrics.
std::vector<absl::string_view> RuleNames();

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RULES_H_
