#include "services/auth-service/rpc/session_service.h"

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "services/common/credentials/crypto.h"
#include "services/auth-service/core/mechanisms.h"
#include "services/auth-service/core/rules.h"
#include "services/auth-service/rpc/exchanges.h"
#include "services/common/base/random.h"
#include "services/common/observe/log.h"
#include "services/common/rpc/server_stream.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {
namespace {

using Stream = rpc::ServerStream<v1::AskRequest, v1::AskResponse>;

// An offer depends on nothing but the configuration.
constexpr int64_t kOfferLifetimeSeconds = 60;
constexpr absl::string_view kAuthRule = "AU-13";

// 24 characters without comma and blank.
std::string MakeNonce() {
  std::array<uint8_t, 18> random;
  base::FillRandom(absl::MakeSpan(random));
  return ToBase64({reinterpret_cast<const char*>(random.data()), random.size()});
}

void Send(Stream& stream, std::vector<v1::Answer> answers) {
  if (answers.empty()) return;
  stream.Send([&answers](v1::AskResponse& response) {
    for (v1::Answer& answer : answers) *response.add_answers() = std::move(answer);
  });
}

void LogRefusal(const char* text, const v1::Question& question, absl::string_view address,
                const v1::Verdict& verdict) {
  TURNPIKE_LOG(kInfo, text,
               {{"session", question.session_id()},
                {"client", question.facts().client_address()},
                {"account", observe::LogAddress(question.facts().identity().name())},
                {"address", observe::LogAddress(address)},
                {"rule", verdict.rule()},
                {"code", static_cast<int>(verdict.reply().code())}});
}

}  // namespace

// One stream. Lives as long as it and as the checks that it has begun.
class SessionService::Asker : public std::enable_shared_from_this<Asker> {
 public:
  Asker(SessionService& service, std::shared_ptr<Stream> stream)
      : service_(service),
        parts_(service.parts_),
        stream_(std::move(stream)),
        exchanges_(service.parts_.exchanges_per_stream_max) {}

  void OnMessage(const v1::AskRequest& request) {
    std::vector<v1::Answer> answers;
    for (const v1::Question& question : request.questions()) {
      std::optional<v1::Answer> answer = AnswerTo(question);
      if (!answer.has_value()) continue;  // comes from the pool
      answer->set_question_id(question.question_id());
      answers.push_back(*std::move(answer));
    }
    Send(*stream_, std::move(answers));
  }

  void OnHalfClose() { stream_->Finish(absl::OkStatus()); }
  void OnClosed() { service_.Forget(this); }
  void End() { stream_->Finish(absl::UnavailableError("auth-service is shutting down")); }

 private:
  std::optional<v1::Answer> AnswerTo(const v1::Question& question);
  v1::Answer OfferTo(const v1::SessionFacts& facts) const;
  std::optional<v1::Answer> StartAuth(const v1::Question& question);
  std::optional<v1::Answer> ContinueAuth(const v1::Question& question);

  // Turns a step into the answer. The exchange goes back to the others if it goes on.
  std::optional<v1::Answer> Handle(uint64_t question_id, std::unique_ptr<RunningExchange> exchange,
                                   SaslStep step);
  // Does the exchange's work on the pool, which sends the answer.
  std::optional<v1::Answer> HandOver(uint64_t question_id,
                                     std::unique_ptr<RunningExchange> exchange);
  v1::Answer Refusal(const smtp::ReplyCode& reply) const {
    v1::Answer answer;
    *answer.mutable_verdict() = Refuse(kAuthRule, reply);
    return answer;
  }

  SessionService& service_;
  const Parts& parts_;
  const std::shared_ptr<Stream> stream_;
  Exchanges exchanges_;
};

std::optional<v1::Answer> SessionService::Asker::AnswerTo(const v1::Question& question) {
  v1::Answer answer;
  switch (question.question_case()) {
    case v1::Question::kConnect:
      return OfferTo(question.facts());
    case v1::Question::kAuthStart:
      return StartAuth(question);
    case v1::Question::kAuthResponse:
      return ContinueAuth(question);
    case v1::Question::kAuthCancel:
      exchanges_.Take(question.session_id());
      return Refusal(smtp::kAuthCancelled);
    case v1::Question::kMail: {
      const std::string& sender = question.mail().return_path();
      *answer.mutable_verdict() = DecideMail(*parts_.site, question.facts(), sender);
      parts_.metrics.CountMail(answer.verdict());
      if (!answer.verdict().accepted()) {
        LogRefusal("sender refused", question, sender, answer.verdict());
      }
      return answer;
    }
    case v1::Question::kRcpt: {
      const std::string& address = question.rcpt().address();
      *answer.mutable_verdict() = DecideRcpt(*parts_.site, question.facts(), address);
      parts_.metrics.CountRcpt(answer.verdict());
      if (!answer.verdict().accepted()) {
        LogRefusal("recipient refused", question, address, answer.verdict());
      }
      return answer;
    }
    case v1::Question::kHeader:
      answer.mutable_verdict()->set_accepted(true);
      return answer;
    case v1::Question::QUESTION_NOT_SET:
      break;
  }
  // A question of a newer frontend: nothing is allowed that we do not understand.
  return Refusal(smtp::kTemporaryFailure);
}

v1::Answer SessionService::Asker::OfferTo(const v1::SessionFacts& facts) const {
  const ListenerTraits listener = parts_.site->ListenerOf(facts);
  v1::Answer answer;
  v1::Offer* offer = answer.mutable_offer();
  for (Mechanism mechanism : OfferedMechanisms(listener, /*tls=*/false, *parts_.directory)) {
    offer->add_mechanisms(std::string(MechanismName(mechanism)));
  }
  for (Mechanism mechanism : OfferedMechanisms(listener, /*tls=*/true, *parts_.directory)) {
    offer->add_mechanisms_under_tls(std::string(MechanismName(mechanism)));
  }
  offer->set_auth_required(listener.role == v1::LISTENER_ROLE_SUBMISSION ||
                           listener.role == v1::LISTENER_ROLE_SUBMISSIONS);
  offer->mutable_lifetime_duration()->set_seconds(kOfferLifetimeSeconds);
  return answer;
}

std::optional<v1::Answer> SessionService::Asker::StartAuth(const v1::Question& question) {
  const v1::SessionFacts& facts = question.facts();
  const v1::AuthStart& start = question.auth_start();
  const ListenerTraits listener = parts_.site->ListenerOf(facts);
  const std::optional<Mechanism> mechanism = FindMechanism(start.mechanism());
  const auto is_offered = [&](bool tls) {
    return mechanism.has_value() &&
           absl::c_linear_search(OfferedMechanisms(listener, tls, *parts_.directory), *mechanism);
  };
  if (!is_offered(facts.tls())) {
    // [RFC4954 6] 538: it would do under TLS.
    return Refusal(is_offered(true) ? smtp::kEncryptionRequired : smtp::kUnknownMechanism);
  }
  const absl::Time now = parts_.clock.Now();
  auto exchange = std::make_unique<RunningExchange>();
  exchange->mechanism = *mechanism;
  exchange->session_id = question.session_id();
  exchange->client_address = facts.client_address();
  exchange->begin_time = now;
  exchange->sasl = MakeExchange(*mechanism, {.directory = parts_.directory,
                                             .audience = AudienceOf(*mechanism, listener),
                                             .nonce = MakeNonce(),
                                             .now = now,
                                             .hostname = parts_.hostname});
  SaslStep step = exchange->sasl->Start(
      start.has_initial_response() ? std::optional<absl::string_view>(start.initial_response())
                                   : std::nullopt);
  return Handle(question.question_id(), std::move(exchange), std::move(step));
}

std::optional<v1::Answer> SessionService::Asker::ContinueAuth(const v1::Question& question) {
  std::unique_ptr<RunningExchange> exchange = exchanges_.Take(question.session_id());
  // It began on a stream that has broken: the client may begin anew.
  if (exchange == nullptr) return Refusal(smtp::kAuthUnavailable);
  SaslStep step = exchange->sasl->Respond(question.auth_response().response());
  return Handle(question.question_id(), std::move(exchange), std::move(step));
}

std::optional<v1::Answer> SessionService::Asker::Handle(uint64_t question_id,
                                                        std::unique_ptr<RunningExchange> exchange,
                                                        SaslStep step) {
  v1::Answer answer;
  switch (step.kind) {
    case SaslStep::Kind::kChallenge: {
      const Mechanism mechanism = exchange->mechanism;
      if (!exchanges_.Put(std::move(exchange), parts_.clock.Now())) {
        parts_.metrics.CountLogin(mechanism, Metrics::Result::kError);
        return Refusal(smtp::kAuthUnavailable);
      }
      answer.mutable_challenge()->set_challenge(std::move(step.challenge));
      return answer;
    }
    case SaslStep::Kind::kSuccess:
      parts_.metrics.CountLogin(exchange->mechanism, Metrics::Result::kAllow);
      TURNPIKE_LOG(kInfo, "authenticated",
                   {{"session", exchange->session_id},
                    {"client", exchange->client_address},
                    {"account", observe::LogAddress(step.identity.name())},
                    {"mechanism", step.identity.mechanism()}});
      *answer.mutable_success()->mutable_identity() = std::move(step.identity);
      return answer;
    case SaslStep::Kind::kFailure:
      parts_.metrics.CountLogin(exchange->mechanism, Metrics::Result::kDeny);
      TURNPIKE_LOG(kInfo, "authentication failed",
                   {{"session", exchange->session_id},
                    {"client", exchange->client_address},
                    {"account", observe::LogAddress(exchange->sasl->user())},
                    {"mechanism", MechanismName(exchange->mechanism)},
                    {"reason", step.reason}});
      // One text, whatever the reason.
      return Refusal(smtp::kAuthFailed);
    case SaslStep::Kind::kWork:
      return HandOver(question_id, std::move(exchange));
  }
  return Refusal(smtp::kAuthUnavailable);
}

std::optional<v1::Answer> SessionService::Asker::HandOver(
    uint64_t question_id, std::unique_ptr<RunningExchange> exchange) {
  const Mechanism mechanism = exchange->mechanism;
  const bool is_added = parts_.pool.TryAdd(
      [self = shared_from_this(), question_id, exchange = std::move(exchange)]() mutable {
        self->parts_.metrics.hash_waiting.Set(static_cast<double>(self->parts_.pool.waiting()));
        const absl::Time begin_time = absl::Now();
        SaslStep step = exchange->sasl->Work();
        self->parts_.metrics.hash_duration_seconds.Observe(
            absl::ToDoubleSeconds(absl::Now() - begin_time));
        std::optional<v1::Answer> answer =
            self->Handle(question_id, std::move(exchange), std::move(step));
        answer->set_question_id(question_id);  // Work never asks for more work
        Send(*self->stream_, {*std::move(answer)});
      });
  if (is_added) {
    parts_.metrics.hash_waiting.Set(static_cast<double>(parts_.pool.waiting()));
    return std::nullopt;
  }
  parts_.metrics.CountLogin(mechanism, Metrics::Result::kError);
  return Refusal(smtp::kAuthUnavailable);
}

grpc::ServerBidiReactor<v1::AskRequest, v1::AskResponse>* SessionService::Ask(
    grpc::CallbackServerContext*) {
  auto [reactor, stream] = Stream::Create();
  auto asker = std::make_shared<Asker>(*this, stream);
  bool is_ending;
  {
    absl::MutexLock lock(&mu_);
    is_ending = is_ending_;
    askers_.insert(asker);
    parts_.metrics.streams.Set(static_cast<double>(askers_.size()));
  }
  stream->Start({.on_message =
                     [asker](v1::AskRequest& request) {
                       asker->OnMessage(request);
                       return true;
                     },
                 .on_half_close = [asker] { asker->OnHalfClose(); },
                 .on_closed = [asker] { asker->OnClosed(); }});
  if (is_ending) asker->End();
  return reactor;
}

void SessionService::Forget(Asker* asker) {
  std::shared_ptr<Asker> forgotten;  // destroyed without the lock
  absl::MutexLock lock(&mu_);
  const auto found = absl::c_find_if(
      askers_, [asker](const std::shared_ptr<Asker>& each) { return each.get() == asker; });
  if (found != askers_.end()) {
    forgotten = *found;
    askers_.erase(found);
  }
  parts_.metrics.streams.Set(static_cast<double>(askers_.size()));
}

void SessionService::EndStreams() {
  std::vector<std::shared_ptr<Asker>> askers;
  {
    absl::MutexLock lock(&mu_);
    is_ending_ = true;
    askers.assign(askers_.begin(), askers_.end());
  }
  for (const std::shared_ptr<Asker>& asker : askers) asker->End();
}

}  // namespace turnpike::auth
