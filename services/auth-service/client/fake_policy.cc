#include "services/auth-service/client/fake_policy.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace turnpike::auth {
namespace {

v1::Answer Refusal(int code, const char* enhanced_code, const char* text, const char* rule) {
  v1::Answer answer;
  v1::Verdict* verdict = answer.mutable_verdict();
  verdict->set_rule(rule);
  verdict->mutable_reply()->set_code(code);
  verdict->mutable_reply()->set_enhanced_code(enhanced_code);
  verdict->mutable_reply()->set_text(text);
  return answer;
}

v1::Answer Acceptance() {
  v1::Answer answer;
  answer.mutable_verdict()->set_accepted(true);
  return answer;
}

}  // namespace

FakePolicy::~FakePolicy() {
  std::deque<Held> held;
  {
    absl::MutexLock lock(&mu_);
    held.swap(held_);
  }
  for (Held& item : held) item.second(absl::CancelledError("policy destroyed"));
}

void FakePolicy::AddLogin(const std::string& user, const std::string& password,
                          v1::Identity::Kind kind) {
  absl::MutexLock lock(&mu_);
  logins_[user] = {password, kind};
}

void FakePolicy::AddGatewayDomain(const std::string& domain) {
  absl::MutexLock lock(&mu_);
  gateways_.insert(domain);
}

void FakePolicy::AddLocalDomain(const std::string& domain) {
  absl::MutexLock lock(&mu_);
  locals_.insert(domain);
}

void FakePolicy::SetAuthRequired(bool required) {
  absl::MutexLock lock(&mu_);
  auth_required_ = required;
}

void FakePolicy::SetRule(Rule rule) {
  absl::MutexLock lock(&mu_);
  rule_ = std::move(rule);
}

void FakePolicy::SetHoldAnswers(bool hold) {
  std::deque<Held> held;
  {
    absl::MutexLock lock(&mu_);
    hold_ = hold;
    if (!hold) held.swap(held_);
  }
  for (Held& item : held) item.second(std::move(item.first));
}

std::vector<v1::Question> FakePolicy::questions() const {
  absl::MutexLock lock(&mu_);
  return questions_;
}

void FakePolicy::Ask(v1::Question question, absl::Time /*deadline*/, AnswerCallback done) {
  Rule rule;
  {
    absl::MutexLock lock(&mu_);
    question.set_question_id(next_question_id_++);
    questions_.push_back(question);
    rule = rule_;
  }
  std::optional<absl::StatusOr<v1::Answer>> answer;
  if (rule) answer = rule(question);
  {
    absl::MutexLock lock(&mu_);
    if (!answer.has_value()) answer = Decide(question);
    if (answer->ok()) (*answer)->set_question_id(question.question_id());
    if (hold_) {
      held_.emplace_back(*std::move(answer), std::move(done));
      return;
    }
  }
  done(*std::move(answer));
}

absl::StatusOr<v1::Answer> FakePolicy::Decide(const v1::Question& question) const {
  switch (question.question_case()) {
    case v1::Question::kConnect: {
      v1::Answer answer;
      if (!logins_.empty()) {
        answer.mutable_offer()->add_mechanisms("PLAIN");
        answer.mutable_offer()->add_mechanisms_under_tls("PLAIN");
      }
      answer.mutable_offer()->set_auth_required(auth_required_);
      return answer;
    }
    case v1::Question::kAuthStart:
      if (question.auth_start().mechanism() != "PLAIN") {
        return Refusal(504, "5.5.4", "Authentication mechanism not offered", "AU-13");
      }
      if (!question.auth_start().has_initial_response()) {
        v1::Answer answer;
        answer.mutable_challenge();
        return answer;
      }
      return DecideAuth(question.auth_start().initial_response());
    case v1::Question::kAuthResponse:
      return DecideAuth(question.auth_response().response());
    case v1::Question::kRcpt:
      return DecideRcpt(question);
    case v1::Question::kAuthCancel:
    case v1::Question::kMail:
    case v1::Question::kHeader:
      return Acceptance();
    case v1::Question::QUESTION_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("no question");
}

v1::Answer FakePolicy::DecideAuth(const std::string& message) const {
  const std::vector<std::string> parts = absl::StrSplit(message, '\0');
  const auto login = parts.size() == 3 ? logins_.find(parts[1]) : logins_.end();
  if (login == logins_.end() || login->second.password != parts[2]) {
    return Refusal(535, "5.7.8", "Authentication credentials invalid", "AU-13");
  }
  v1::Answer answer;
  v1::Identity* identity = answer.mutable_success()->mutable_identity();
  identity->set_kind(login->second.kind);
  identity->set_name(login->first);
  identity->set_mechanism("PLAIN");
  return answer;
}

v1::Answer FakePolicy::DecideRcpt(const v1::Question& question) const {
  const absl::string_view address = question.rcpt().address();
  const std::string domain =
      absl::AsciiStrToLower(address.substr(address.rfind('@') + 1));  // npos + 1 is 0
  v1::Answer answer = Acceptance();
  v1::Verdict* verdict = answer.mutable_verdict();
  verdict->set_queue(domain);
  if (gateways_.contains(domain)) {
    verdict->set_recipient_class(v1::RECIPIENT_CLASS_GATEWAY);
  } else if (locals_.contains(domain)) {
    verdict->set_recipient_class(v1::RECIPIENT_CLASS_LOCAL);
  } else if (question.facts().has_identity()) {
    verdict->set_recipient_class(v1::RECIPIENT_CLASS_REMOTE);
  } else {
    return Refusal(550, "5.7.1", "Relaying denied", "AU-24");
  }
  return answer;
}

}  // namespace turnpike::auth
