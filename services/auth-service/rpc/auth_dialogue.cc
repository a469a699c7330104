#include "services/auth-service/rpc/auth_dialogue.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "services/auth-service/core/mechanisms.h"
#include "services/auth-service/core/rules.h"
#include "services/auth-service/rpc/directory_chain.h"
#include "services/common/base/random.h"
#include "services/common/credentials/crypto.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {
namespace {

// An offer depends on nothing but the configuration, unless there is a certificate.
constexpr int64_t kOfferLifetimeSeconds = 60;
constexpr absl::string_view kAuthRule = "AU-13";
constexpr absl::string_view kGuessRule = "AU-22";

// 24 characters without comma and blank.
std::string MakeNonce() {
  std::array<uint8_t, 18> random;
  base::FillRandom(absl::MakeSpan(random));
  return ToBase64({reinterpret_cast<const char*>(random.data()), random.size()});
}

v1::Answer Refusal(absl::string_view rule, const smtp::ReplyCode& reply) {
  v1::Answer answer;
  *answer.mutable_verdict() = Refuse(rule, reply);
  return answer;
}

SessionTraits TraitsOf(const v1::SessionFacts& facts) {
  return {.tls = facts.tls(), .has_certificate = facts.certificate_addresses_size() > 0};
}

LoginAttempt AttemptOf(const RunningExchange& exchange) {
  return {.client_address = exchange.client_address,
          .user = exchange.sasl->user(),
          .password_mark = exchange.sasl->password_mark()};
}

// What an account in a directory is as a login. Null: its aliases are no user names.
std::shared_ptr<const Login> LoginOf(const FoundAccount& found, absl::string_view user) {
  if (found.entry == nullptr || !absl::EqualsIgnoreCase(found.entry->address, user)) return nullptr;
  auto login = std::make_shared<Login>();
  login->identity.set_kind(v1::Identity::KIND_ACCOUNT);
  login->identity.set_name(found.entry->address);
  login->verifiers = found.entry->verifiers;
  if (found.entry->is_checked_by_directory) login->checker = found.directory;
  return login;
}

}  // namespace

v1::Offer AuthDialogue::OfferTo(const v1::SessionFacts& facts) const {
  const std::shared_ptr<const SessionParts> parts = parts_->Get();
  v1::Offer offer;
  const ListenerTraits listener = parts->site->ListenerOf(facts);
  offer.set_auth_required(listener.role == v1::LISTENER_ROLE_SUBMISSION ||
                          listener.role == v1::LISTENER_ROLE_SUBMISSIONS);
  if (facts.certificate_addresses_size() == 0) {
    offer.mutable_lifetime_duration()->set_seconds(kOfferLifetimeSeconds);
  }
  if (IsAuthDisallowed(*parts->site, facts)) return offer;
  SessionTraits traits = TraitsOf(facts);
  traits.tls = false;
  for (Mechanism mechanism : OfferedMechanisms(listener, traits, *parts->directory)) {
    offer.add_mechanisms(std::string(MechanismName(mechanism)));
  }
  traits.tls = true;
  for (Mechanism mechanism : OfferedMechanisms(listener, traits, *parts->directory)) {
    offer.add_mechanisms_under_tls(std::string(MechanismName(mechanism)));
  }
  return offer;
}

v1::Answer AuthDialogue::AnswerUnoffered(const v1::Question& question, const SessionParts& parts) {
  UnofferedAuthDecision decision = DecideUnofferedAuth(*parts.site, question.facts());
  if (decision.screens && parts.screen != nullptr) {
    parts.screen->OnDisallowedAuth(question.facts().client_address());
  }
  parts.metrics.CountRefusal(decision.verdict.rule());
  TURNPIKE_LOG(kInfo, "AUTH refused",
               {{"session", question.session_id()},
                {"client", question.facts().client_address()},
                {"rule", decision.verdict.rule()}});
  v1::Answer answer;
  *answer.mutable_verdict() = std::move(decision.verdict);
  return answer;
}

std::optional<v1::Answer> AuthDialogue::Start(const v1::Question& question) {
  const v1::SessionFacts& facts = question.facts();
  const std::shared_ptr<const SessionParts> parts = parts_->Get();
  const v1::AuthStart& start = question.auth_start();
  const ListenerTraits listener = parts->site->ListenerOf(facts);
  const std::vector<Mechanism> offered =
      OfferedMechanisms(listener, TraitsOf(facts), *parts->directory);
  // An empty name: the session has no AUTH to offer, and was asked for it.
  if (IsAuthDisallowed(*parts->site, facts) || start.mechanism().empty()) {
    return AnswerUnoffered(question, *parts);
  }
  const std::optional<Mechanism> mechanism = FindMechanism(start.mechanism());
  // [RFC4954 4] also for one that needs TLS first.
  if (!mechanism.has_value() || !absl::c_linear_search(offered, *mechanism)) {
    return Refusal(kAuthRule, smtp::kUnknownMechanism);
  }
  const absl::Time now = parts->clock.Now();
  auto exchange = std::make_unique<RunningExchange>();
  exchange->mechanism = *mechanism;
  exchange->session_id = question.session_id();
  exchange->client_address = facts.client_address();
  exchange->begin_time = now;
  exchange->parts = parts;
  exchange->sasl = MakeExchange(
      *mechanism, {.directory = parts->directory,
                   .audience = AudienceOf(*mechanism, listener),
                   .nonce = MakeNonce(),
                   .now = now,
                   .hostname = parts->hostname,
                   .bindings = {.exporter = start.channel_binding_exporter(),
                                .server_end_point = start.channel_binding_server_end_point()},
                   .offers_binding = absl::c_any_of(offered, IsBound),
                   .certificate_addresses = {facts.certificate_addresses().begin(),
                                             facts.certificate_addresses().end()}});
  SaslStep step = exchange->sasl->Start(
      start.has_initial_response() ? std::optional<absl::string_view>(start.initial_response())
                                   : std::nullopt);
  return Handle(question.question_id(), std::move(exchange), std::move(step));
}

std::optional<v1::Answer> AuthDialogue::Continue(const v1::Question& question) {
  Exchange exchange = exchanges_.Take(question.session_id());
  // It began on another stream.
  if (exchange == nullptr) return Refusal(kAuthRule, smtp::kAuthUnavailable);
  SaslStep step = exchange->sasl->Respond(question.auth_response().response());
  return Handle(question.question_id(), std::move(exchange), std::move(step));
}

v1::Answer AuthDialogue::Cancel(const v1::Question& question) {
  exchanges_.Take(question.session_id());
  return Refusal(kAuthRule, smtp::kAuthCancelled);
}

std::optional<v1::Answer> AuthDialogue::Handle(uint64_t question_id, Exchange exchange,
                                               SaslStep step) {
  while (step.kind == SaslStep::Kind::kLookup) {
    std::optional<SaslStep> next = FindLogin(question_id, exchange);
    if (!next.has_value()) return std::nullopt;
    step = *std::move(next);
  }
  switch (step.kind) {
    case SaslStep::Kind::kChallenge:
      return Keep(std::move(exchange), std::move(step));
    case SaslStep::Kind::kSuccess:
      return Succeed(*exchange, std::move(step));
    case SaslStep::Kind::kFailure:
      return Fail(*exchange, step);
    case SaslStep::Kind::kNoInitialResponse:
      exchange->parts->metrics.CountLogin(exchange->mechanism, Metrics::Result::kDeny);
      return Refusal(kAuthRule, smtp::kNoInitialResponse);
    case SaslStep::Kind::kTryLater:
      return TryLater(*exchange);
    case SaslStep::Kind::kWork:
      return DoWork(question_id, std::move(exchange));
    case SaslStep::Kind::kAskChecker:
      AskChecker(question_id, std::move(exchange));
      return std::nullopt;
    case SaslStep::Kind::kLookup:
      break;
  }
  return TryLater(*exchange);
}

void AuthDialogue::Deliver(uint64_t question_id, Exchange exchange, SaslStep step) {
  std::optional<v1::Answer> answer = Handle(question_id, std::move(exchange), std::move(step));
  if (!answer.has_value()) return;
  answer->set_question_id(question_id);
  send_(*std::move(answer));
}

std::optional<SaslStep> AuthDialogue::FindLogin(uint64_t question_id, Exchange& exchange) {
  const std::shared_ptr<const SessionParts> parts = exchange->parts;
  SaslExchange& sasl = *exchange->sasl;
  const Audience audience = sasl.audience();
  // A certificate cannot be guessed.
  if (!audience.by_certificate && parts->screen != nullptr &&
      !parts->screen->MayTry(sasl.user(), exchange->client_address)) {
    parts->metrics.CountRefusal(kGuessRule);
    return SaslStep::Needs(SaslStep::Kind::kTryLater);
  }
  if (const Login* login = parts->directory->Find(sasl.user(), audience)) {
    // The directory lives as long as the login is used.
    return sasl.OnLogin(std::shared_ptr<const Login>(parts->directory, login));
  }
  const bool may_be_elsewhere = audience.accounts && absl::StrContains(sasl.user(), '@') &&
                                !parts->directory->directories().empty();
  if (!may_be_elsewhere) return sasl.OnLogin(nullptr);
  AskDirectories(question_id, std::move(exchange));
  return std::nullopt;
}

void AuthDialogue::AskDirectories(uint64_t question_id, Exchange exchange) {
  const std::shared_ptr<const SessionParts> parts = exchange->parts;
  const std::string user = absl::AsciiStrToLower(exchange->sasl->user());
  FindInDirectories(parts->directory->directories(), user,
                    parts->clock.Now() + parts->lookup_timeout,
                    [self = shared_from_this(), question_id, user,
                     exchange = std::move(exchange)](absl::StatusOr<FoundAccount> found) mutable {
                      SaslStep step = found.ok() ? exchange->sasl->OnLogin(LoginOf(*found, user))
                                                 : SaslStep::Needs(SaslStep::Kind::kTryLater);
                      self->Deliver(question_id, std::move(exchange), std::move(step));
                    });
}

void AuthDialogue::AskChecker(uint64_t question_id, Exchange exchange) {
  const std::shared_ptr<const SessionParts> parts = exchange->parts;
  AccountDirectory* const checker = exchange->sasl->checker();
  std::string user = absl::AsciiStrToLower(exchange->sasl->user());
  std::string password = exchange->sasl->password();
  checker->CheckPassword(
      std::move(user), std::move(password), parts->clock.Now() + parts->lookup_timeout,
      [self = shared_from_this(), question_id,
       exchange = std::move(exchange)](absl::StatusOr<bool> is_right) mutable {
        SaslStep step = is_right.ok() ? exchange->sasl->OnChecked(*is_right)
                                      : SaslStep::Needs(SaslStep::Kind::kTryLater);
        self->Deliver(question_id, std::move(exchange), std::move(step));
      });
}

std::optional<v1::Answer> AuthDialogue::DoWork(uint64_t question_id, Exchange exchange) {
  const std::shared_ptr<const SessionParts> parts = exchange->parts;
  const Mechanism mechanism = exchange->mechanism;
  const bool is_added = parts->pool.TryAdd(
      [self = shared_from_this(), question_id, exchange = std::move(exchange)]() mutable {
        Metrics& metrics = exchange->parts->metrics;
        metrics.hash_waiting.Set(static_cast<double>(exchange->parts->pool.waiting()));
        const absl::Time begin_time = absl::Now();
        SaslStep step = exchange->sasl->Work();
        metrics.hash_duration_seconds.Observe(absl::ToDoubleSeconds(absl::Now() - begin_time));
        self->Deliver(question_id, std::move(exchange), std::move(step));
      });
  parts->metrics.hash_waiting.Set(static_cast<double>(parts->pool.waiting()));
  if (is_added) return std::nullopt;
  parts->metrics.CountLogin(mechanism, Metrics::Result::kError);
  return Refusal(kAuthRule, smtp::kAuthUnavailable);
}

v1::Answer AuthDialogue::Keep(Exchange exchange, SaslStep step) {
  const std::shared_ptr<const SessionParts> parts = exchange->parts;
  const Mechanism mechanism = exchange->mechanism;
  if (!exchanges_.Put(std::move(exchange), parts->clock.Now())) {
    parts->metrics.CountLogin(mechanism, Metrics::Result::kError);
    return Refusal(kAuthRule, smtp::kAuthUnavailable);
  }
  v1::Answer answer;
  answer.mutable_challenge()->set_challenge(std::move(step.challenge));
  return answer;
}

v1::Answer AuthDialogue::Succeed(const RunningExchange& exchange, SaslStep step) {
  exchange.parts->metrics.CountLogin(exchange.mechanism, Metrics::Result::kAllow);
  if (exchange.parts->screen != nullptr) exchange.parts->screen->OnSuccess(AttemptOf(exchange));
  TURNPIKE_LOG(kInfo, "authenticated",
               {{"session", exchange.session_id},
                {"client", exchange.client_address},
                {"account", observe::LogAddress(step.identity.name())},
                {"mechanism", step.identity.mechanism()}});
  v1::Answer answer;
  *answer.mutable_success()->mutable_identity() = std::move(step.identity);
  return answer;
}

v1::Answer AuthDialogue::Fail(const RunningExchange& exchange, const SaslStep& step) {
  exchange.parts->metrics.CountLogin(exchange.mechanism, Metrics::Result::kDeny);
  if (exchange.parts->screen != nullptr) exchange.parts->screen->OnFailure(AttemptOf(exchange));
  TURNPIKE_LOG(kInfo, "authentication failed",
               {{"session", exchange.session_id},
                {"client", exchange.client_address},
                {"account", observe::LogAddress(exchange.sasl->user())},
                {"mechanism", MechanismName(exchange.mechanism)},
                {"reason", step.reason}});
  // One text, whatever the reason.
  return Refusal(kAuthRule, smtp::kAuthFailed);
}

v1::Answer AuthDialogue::TryLater(const RunningExchange& exchange) {
  exchange.parts->metrics.CountLogin(exchange.mechanism, Metrics::Result::kError);
  TURNPIKE_LOG(kInfo, "authentication put off",
               {{"session", exchange.session_id},
                {"client", exchange.client_address},
                {"account", observe::LogAddress(exchange.sasl->user())}});
  return Refusal(kAuthRule, smtp::kAuthUnavailable);
}

}  // namespace turnpike::auth
