// RCPT: may mail go there, and which queue does it wait in?
#include <utility>

#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

asio::awaitable<void> Session::On(smtp::event::Rcpt event) {
  stage_ = Stage::kRcpt;
  auth::v1::Question question;
  question.mutable_rcpt()->set_return_path(transaction_->return_path());
  question.mutable_rcpt()->set_address(event.path.ToString());
  const absl::StatusOr<auth::v1::Answer> answer = co_await Ask(std::move(question));
  if (!answer.ok() || !answer->has_verdict()) co_return RefuseWith(smtp::kTemporaryFailure, "away");
  if (!answer->verdict().accepted()) co_return Refuse(answer->verdict());
  const absl::Status added =
      transaction_->AddRecipient(event.path, event.parameters, answer->verdict());
  if (!added.ok()) {
    TURNPIKE_LOG(kError, "verdict not understood", {{"session", id_}, {"error", added.message()}});
    co_return RefuseWith(smtp::kTemporaryFailure, "away");
  }
  if (answer->verdict().wants_header()) wants_header_ = true;
  engine_->Accept();
}

}  // namespace turnpike::frontend
