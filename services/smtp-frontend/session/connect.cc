// The beginning of a session, and HELO and EHLO.
#include <memory>
#include <utility>

#include "prometheus/counter.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/offers.h"
#include "services/smtp-frontend/session/replies.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

asio::awaitable<void> Session::Open() {
  if (is_collected_) {
    engine_.emplace(std::make_shared<const smtp::ServerOptions>(listener_.options),
                    smtp::ServerEngine::Start{.is_tls = facts_.tls()});
    co_return;
  }
  auth::v1::Question question;
  question.mutable_connect();
  const absl::StatusOr<auth::v1::Answer> answer = co_await Ask(std::move(question));
  const smtp::ServerEngine::Start start{.is_tls = facts_.tls()};
  if (answer.ok() && answer->has_offer()) {
    engine_.emplace(facts_.certificate_addresses_size() > 0
                        ? Offers::ForOne(listener_, answer->offer())
                        : environment_.offers->For(kept_listener_, answer->offer()),
                    start);
    co_return;
  }
  // The session goes on without an answer: each of its questions fails by itself, or does not.
  engine_.emplace(environment_.offers->WithoutPolicy(kept_listener_), start);
  lacks_offer_ = true;
  if (answer.ok() && answer->has_verdict() && !answer->verdict().accepted()) {
    connect_refusal_ = ReplyFromProto(answer->verdict().reply());
    is_connect_refusal_final_ = answer->verdict().close();
    if (!connect_refusal_->is_permanent()) {
      connect_refusal_ = smtp::Reply(smtp::kScreened, connect_refusal_->text());
    }
  }
}

asio::awaitable<void> Session::On(smtp::event::Connected) {
  if (connect_refusal_) {
    listener_.metrics->refused_by_policy.Increment();
    // [RFC5321 3.1] would have us wait for QUIT, which is for peers of good will: who guesses
    // passwords is to hold nothing of ours.
    NoteRefusal(*connect_refusal_, "connect");
    if (is_connect_refusal_final_) {
      engine_->Terminate(*connect_refusal_);
    } else {
      engine_->Answer(*connect_refusal_);
    }
  } else {
    engine_->Accept();
  }
  co_return;
}

asio::awaitable<void> Session::On(smtp::event::Hello) {
  if (stage_ == Stage::kConnect) stage_ = Stage::kEhlo;
  engine_->Accept();
  co_return;
}

}  // namespace turnpike::frontend
