#include "services/auth-service/rpc/session_service.h"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "services/auth-service/core/rules.h"
#include "services/auth-service/rpc/auth_dialogue.h"
#include "services/auth-service/rpc/inquiry.h"
#include "services/auth-service/rpc/screen_update.h"
#include "services/common/observe/log.h"
#include "services/common/rpc/server_stream.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {
namespace {

using Stream = rpc::ServerStream<v1::AskRequest, v1::AskResponse>;

void Send(Stream& stream, std::vector<v1::Answer> answers) {
  if (answers.empty()) return;
  stream.Send([&answers](v1::AskResponse& response) {
    for (v1::Answer& answer : answers) *response.add_answers() = std::move(answer);
  });
}

// What a question about a message asks for.
Decide DecideOn(std::shared_ptr<const Site> site, const v1::Question& question) {
  const v1::SessionFacts& facts = question.facts();
  switch (question.question_case()) {
    case v1::Question::kMail:
      return [site, facts, mail = question.mail()](const Evidence& evidence) {
        return DecideMail(*site, facts, mail.return_path(), evidence);
      };
    case v1::Question::kRcpt:
      return [site, facts, rcpt = question.rcpt()](const Evidence& evidence) {
        return DecideRcpt(*site, facts, rcpt.return_path(), rcpt.address(), evidence);
      };
    default:
      return [site, facts, header = question.header()](const Evidence& evidence) {
        return DecideHeader(*site, facts, header.header(), evidence);
      };
  }
}

// The same on the question where it lies: most need no evidence.
Decision DecideAtOnce(const Site& site, const v1::Question& question) {
  const v1::SessionFacts& facts = question.facts();
  switch (question.question_case()) {
    case v1::Question::kMail:
      return DecideMail(site, facts, question.mail().return_path(), Evidence());
    case v1::Question::kRcpt:
      return DecideRcpt(site, facts, question.rcpt().return_path(), question.rcpt().address(),
                        Evidence());
    default:
      return DecideHeader(site, facts, question.header().header(), Evidence());
  }
}

void Report(Metrics& metrics, const v1::Question& question, const v1::Verdict& verdict) {
  const char* text = "header refused";
  std::string address = question.header().return_path();
  if (question.has_mail()) {
    metrics.CountMail(verdict);
    text = "sender refused";
    address = question.mail().return_path();
  } else if (question.has_rcpt()) {
    metrics.CountRcpt(verdict);
    text = "recipient refused";
    address = question.rcpt().address();
  } else {
    metrics.CountHeader(verdict);
  }
  if (verdict.accepted()) return;
  TURNPIKE_LOG(kInfo, text,
               {{"session", question.session_id()},
                {"client", question.facts().client_address()},
                {"account", observe::LogAddress(question.facts().identity().name())},
                {"address", observe::LogAddress(address)},
                {"rule", verdict.rule()},
                {"code", static_cast<int>(verdict.reply().code())}});
}

}  // namespace

// One stream. Lives as long as it and as what it has begun.
class SessionService::Asker : public std::enable_shared_from_this<Asker> {
 public:
  Asker(SessionService& service, std::shared_ptr<Stream> stream)
      : service_(service),
        current_(service.parts_),
        stream_(std::move(stream)),
        dialogue_(std::make_shared<AuthDialogue>(current_, [stream = stream_](v1::Answer answer) {
          Send(*stream, {std::move(answer)});
        })) {}

  // Sends the screen, and its changes from then on.
  void ShowScreen() {
    Screen* const screen = current_->Get()->screen;
    if (screen == nullptr) return;
    std::shared_ptr<void> subscription =
        screen->Subscribe([stream = stream_](const v1::ScreenUpdate& update) {
          stream->Send([&update](v1::AskResponse& response) {
            MergeScreenUpdate(update, *response.mutable_screen());
          });
        });
    absl::MutexLock lock(&mu_);
    if (!is_closed_) subscription_ = std::move(subscription);
  }

  void OnMessage(const v1::AskRequest& request) {
    const SharedParts parts = current_->Get();
    std::vector<v1::Answer> answers;
    for (const v1::Question& question : request.questions()) {
      std::optional<v1::Answer> answer = AnswerTo(question, parts);
      if (!answer.has_value()) continue;  // comes later
      answer->set_question_id(question.question_id());
      answers.push_back(*std::move(answer));
    }
    Send(*stream_, std::move(answers));
    // They may have come too late for the word that went out with the change.
    if (current_->Get() != parts) TellRulesChanged();
  }

  void TellRulesChanged() {
    stream_->Send([](v1::AskResponse& response) { response.set_rules_changed(true); });
  }

  void OnHalfClose() { stream_->Finish(absl::OkStatus()); }
  void OnClosed() {
    std::shared_ptr<void> subscription;  // ended without the lock
    {
      absl::MutexLock lock(&mu_);
      is_closed_ = true;
      subscription = std::move(subscription_);
    }
    subscription = nullptr;
    service_.Forget(this);
  }
  void End() { stream_->Finish(absl::UnavailableError("auth-service is shutting down")); }

 private:
  using SharedParts = std::shared_ptr<const Parts>;

  std::optional<v1::Answer> AnswerTo(const v1::Question& question, const SharedParts& parts);
  v1::Answer AnswerConnect(const v1::Question& question, const Parts& parts) const;
  std::optional<v1::Answer> Judge(const v1::Question& question, const SharedParts& parts);
  static bool IsGated(const v1::Question& question, const v1::Verdict& verdict, const Parts& parts);
  void Conclude(const v1::Question& question, v1::Verdict verdict, const SharedParts& parts) const;

  SessionService& service_;
  const std::shared_ptr<const CurrentParts> current_;
  const std::shared_ptr<Stream> stream_;
  const std::shared_ptr<AuthDialogue> dialogue_;
  absl::Mutex mu_;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<void> subscription_ ABSL_GUARDED_BY(mu_);
};

std::optional<v1::Answer> SessionService::Asker::AnswerTo(const v1::Question& question,
                                                          const SharedParts& parts) {
  switch (question.question_case()) {
    case v1::Question::kConnect:
      return AnswerConnect(question, *parts);
    case v1::Question::kAuthStart:
      return dialogue_->Start(question);
    case v1::Question::kAuthResponse:
      return dialogue_->Continue(question);
    case v1::Question::kAuthCancel:
      return dialogue_->Cancel(question);
    case v1::Question::kMail:
    case v1::Question::kRcpt:
    case v1::Question::kHeader:
      return Judge(question, parts);
    case v1::Question::QUESTION_NOT_SET:
      break;
  }
  // A question of a newer frontend: nothing is allowed that we do not understand.
  v1::Answer answer;
  *answer.mutable_verdict() = Refuse("AU-13", smtp::kTemporaryFailure);
  return answer;
}

// Frontends know the screen themselves; this is for one that has just begun.
v1::Answer SessionService::Asker::AnswerConnect(const v1::Question& question,
                                                const Parts& parts) const {
  v1::Answer answer;
  std::optional<v1::BlockedNetwork> blocked;
  if (parts.screen != nullptr) {
    blocked = parts.screen->FindBlocked(question.facts().client_address());
  }
  if (!blocked.has_value()) {
    *answer.mutable_offer() = dialogue_->OfferTo(question.facts());
    return answer;
  }
  *answer.mutable_verdict() = Refuse("AU-22", smtp::kBlocked);
  answer.mutable_verdict()->set_close(true);
  if (blocked->has_reply()) *answer.mutable_verdict()->mutable_reply() = blocked->reply();
  parts.metrics.CountRefusal("AU-22");
  return answer;
}

std::optional<v1::Answer> SessionService::Asker::Judge(const v1::Question& question,
                                                       const SharedParts& parts) {
  Decision decision = DecideAtOnce(*parts->site, question);
  if (!decision.want.has_value() && !IsGated(question, decision.verdict, *parts)) {
    Report(parts->metrics, question, decision.verdict);
    v1::Answer answer;
    *answer.mutable_verdict() = std::move(decision.verdict);
    return answer;
  }
  Inquire(parts->witnesses, question.facts().client_address(),
          parts->clock.Now() + parts->lookup_timeout, DecideOn(parts->site, question),
          [self = shared_from_this(), parts, question](v1::Verdict verdict) {
            if (!IsGated(question, verdict, *parts)) {
              return self->Conclude(question, std::move(verdict), parts);
            }
            parts->recipient_gate->Judge(question.rcpt().address(), std::move(verdict),
                                         [self, parts, question](v1::Verdict judged) {
                                           self->Conclude(question, std::move(judged), parts);
                                         });
          });
  return std::nullopt;
}

bool SessionService::Asker::IsGated(const v1::Question& question, const v1::Verdict& verdict,
                                    const Parts& parts) {
  return question.has_rcpt() && verdict.accepted() && parts.recipient_gate != nullptr &&
         parts.recipient_gate->Guards(verdict);
}

void SessionService::Asker::Conclude(const v1::Question& question, v1::Verdict verdict,
                                     const SharedParts& parts) const {
  Report(parts->metrics, question, verdict);
  // What the rules of before said is for this question only.
  if (current_->Get() != parts) verdict.mutable_scope()->clear_lifetime_duration();
  v1::Answer answer;
  answer.set_question_id(question.question_id());
  *answer.mutable_verdict() = std::move(verdict);
  Send(*stream_, {std::move(answer)});
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
    parts_->Get()->metrics.streams.Set(static_cast<double>(askers_.size()));
  }
  stream->Start({.on_message =
                     [asker](v1::AskRequest& request) {
                       asker->OnMessage(request);
                       return true;
                     },
                 .on_half_close = [asker] { asker->OnHalfClose(); },
                 .on_closed = [asker] { asker->OnClosed(); }});
  asker->ShowScreen();
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
  parts_->Get()->metrics.streams.Set(static_cast<double>(askers_.size()));
}

std::vector<std::shared_ptr<SessionService::Asker>> SessionService::Askers() {
  absl::MutexLock lock(&mu_);
  return {askers_.begin(), askers_.end()};
}

void SessionService::Reconfigure(std::shared_ptr<const Parts> parts) {
  parts_->Set(std::move(parts));
  for (const std::shared_ptr<Asker>& asker : Askers()) asker->TellRulesChanged();
}

void SessionService::EndStreams() {
  {
    absl::MutexLock lock(&mu_);
    is_ending_ = true;
  }
  for (const std::shared_ptr<Asker>& asker : Askers()) asker->End();
}

}  // namespace turnpike::auth
