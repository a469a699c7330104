#include "services/auth-service/rpc/metrics.h"

#include <string>

#include "prometheus/registry.h"
#include "services/auth-service/core/rules.h"
#include "services/common/observe/metrics.h"

namespace turnpike::auth {
namespace {

// In the words of docs/metrics.md: both clear-text mechanisms are a `login`.
const char* OperationName(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kPlain:
    case Mechanism::kLogin:
      return "login";
    case Mechanism::kCramMd5:
      return "cram_md5";
    case Mechanism::kScramSha256Plus:
    case Mechanism::kScramSha1Plus:
    case Mechanism::kScramSha256:
    case Mechanism::kScramSha1:
      return "scram";
    case Mechanism::kExternal:
      return "external";
  }
  return "";
}

const char* ResultName(Metrics::Result result) {
  switch (result) {
    case Metrics::Result::kAllow:
      return "allow";
    case Metrics::Result::kDeny:
      return "deny";
    case Metrics::Result::kError:
      return "error";
  }
  return "";
}

}  // namespace

Metrics::Metrics(prometheus::Registry& registry)
    : hash_duration_seconds(prometheus::BuildHistogram()
                                .Name("turnpike_auth_hash_duration_seconds")
                                .Help("Time that one password check took")
                                .Register(registry)
                                .Add({}, observe::LatencyBuckets())),
      hash_waiting(prometheus::BuildGauge()
                       .Name("turnpike_auth_hash_waiting")
                       .Help("Password checks that wait for a thread")
                       .Register(registry)
                       .Add({})),
      streams(prometheus::BuildGauge()
                  .Name("turnpike_auth_streams")
                  .Help("Open streams of questions, about one for each frontend thread")
                  .Register(registry)
                  .Add({})),
      requests_(prometheus::BuildCounter()
                    .Name("turnpike_auth_requests_total")
                    .Help("AUTH exchanges that have ended")
                    .Register(registry)),
      refusals_(prometheus::BuildCounter()
                    .Name("turnpike_auth_refusals_total")
                    .Help("Refused senders and recipients by rule")
                    .Register(registry)),
      decisions_(prometheus::BuildCounter()
                     .Name("turnpike_auth_decisions_total")
                     .Help("Verdicts on senders (submit), recipients (relay) and From: headers "
                           "(header); what frontends answer from memory is not counted")
                     .Register(registry)),
      submit_{decisions_.Add({{"action", "submit"}, {"decision", "allow"}}),
              decisions_.Add({{"action", "submit"}, {"decision", "deny"}})},
      relay_{decisions_.Add({{"action", "relay"}, {"decision", "allow"}}),
             decisions_.Add({{"action", "relay"}, {"decision", "deny"}})},
      header_{decisions_.Add({{"action", "header"}, {"decision", "allow"}}),
              decisions_.Add({{"action", "header"}, {"decision", "deny"}})} {
  // All there from the start, at 0.
  for (Mechanism mechanism :
       {Mechanism::kPlain, Mechanism::kCramMd5, Mechanism::kScramSha256, Mechanism::kExternal}) {
    for (Result result : {Result::kAllow, Result::kDeny, Result::kError}) {
      requests_.Add({{"operation", OperationName(mechanism)}, {"result", ResultName(result)}});
    }
  }
  for (absl::string_view rule : RuleNames()) refusals_.Add({{"rule", std::string(rule)}});
  for (const char* rule : {"AU-22", "unavailable"}) refusals_.Add({{"rule", rule}});
}

void Metrics::CountLogin(Mechanism mechanism, Result result) {
  requests_.Add({{"operation", OperationName(mechanism)}, {"result", ResultName(result)}})
      .Increment();
}

void Metrics::CountVerdict(const Decisions& decisions, const v1::Verdict& verdict) {
  if (verdict.accepted()) {
    decisions.allow.Increment();
    return;
  }
  decisions.deny.Increment();
  CountRefusal(verdict.rule());
}

void Metrics::CountRefusal(absl::string_view rule) {
  refusals_.Add({{"rule", std::string(rule)}}).Increment();
}

}  // namespace turnpike::auth
