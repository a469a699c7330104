// MAIL: may this sender send here?
#include <utility>

#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

asio::awaitable<void> Session::On(smtp::event::Mail event) {
  stage_ = Stage::kMail;
  auth::v1::Question question;
  question.mutable_mail()->set_return_path(event.path.ToString());
  const absl::StatusOr<auth::v1::Answer> answer = co_await Ask(std::move(question));
  if (!answer.ok() || !answer->has_verdict()) co_return RefuseWith(smtp::kTemporaryFailure, "away");
  if (!answer->verdict().accepted()) co_return Refuse(answer->verdict());
  transaction_.emplace(event.path, event.parameters);
  wants_header_ = answer->verdict().wants_header();
  declared_bytes_ = event.parameters.size_bytes.value_or(0);
  engine_->Accept();
}

}  // namespace turnpike::frontend
