// RCPT: may mail go there, and which queue does it wait in?
#include <utility>

#include "services/common/net/ip.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/rate_limit.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

// (PL-6) Also before the policy is asked: guessing addresses costs as much as using them.
bool Session::MayNameRecipient() {
  if (is_collected_ || facts_.has_identity()) return true;
  const net::IpAddress client = net::IpAddress::From(stream_->remote_endpoint().address());
  return environment_.recipient_limit->Take(client, absl::Now());
}

asio::awaitable<void> Session::On(smtp::event::Rcpt event) {
  stage_ = Stage::kRcpt;
  if (!MayNameRecipient()) co_return RefuseWith(smtp::kTooManyRecipients, "rate");
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
