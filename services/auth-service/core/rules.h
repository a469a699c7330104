// Who may send what: the SMTP AUTH policy and the relay rule as two tables. (smtp-auth.md)
//
// A rule names the case that it refuses and the reply for it. Rules are tried in order; the first
// that refuses decides, and a case that none refuses is accepted. Rules say nothing about scopes:
// the case remembers what they looked at (case.h).
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RULES_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RULES_H_

#include "absl/strings/string_view.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/site.h"
#include "services/common/smtp/reply.h"

namespace turnpike::auth {

// `return_path` and `address` are as in session.proto. An address that is no mailbox is refused
// with 501, like everything that a client can send.
v1::Verdict DecideMail(const Site& site, const v1::SessionFacts& facts,
                       absl::string_view return_path);
v1::Verdict DecideRcpt(const Site& site, const v1::SessionFacts& facts, absl::string_view address);

// A refusal by one rule, without a scope.
v1::Verdict Refuse(absl::string_view rule, const smtp::ReplyCode& reply);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RULES_H_
