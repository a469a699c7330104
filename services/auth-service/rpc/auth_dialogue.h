// The AUTH exchanges of one stream, from the first question to success or failure: finds the
// logins, keeps the limits on guessing, and does the dear work on the pool.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_AUTH_DIALOGUE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_AUTH_DIALOGUE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/sasl_exchange.h"
#include "services/auth-service/rpc/exchanges.h"
#include "services/auth-service/rpc/session_parts.h"

namespace turnpike::auth {

// Thread-safe; lives until everything that it has begun is over.
class AuthDialogue : public std::enable_shared_from_this<AuthDialogue> {
 public:
  // `send` takes the answers that come later, with their question_id, on any thread.
  // An exchange goes by the parts that are current when it begins, to its end.
  AuthDialogue(std::shared_ptr<const CurrentParts> parts, std::function<void(v1::Answer)> send)
      : parts_(std::move(parts)),
        send_(std::move(send)),
        exchanges_(parts_->Get()->exchanges_per_stream_max) {}

  // The answer, or nothing: it comes by `send`.
  std::optional<v1::Answer> Start(const v1::Question& question);
  std::optional<v1::Answer> Continue(const v1::Question& question);
  v1::Answer Cancel(const v1::Question& question);

  // What is offered to a session.
  v1::Offer OfferTo(const v1::SessionFacts& facts) const;

 private:
  using Exchange = std::unique_ptr<RunningExchange>;

  v1::Answer AnswerUnoffered(const v1::Question& question, const SessionParts& parts);
  // Does what steps want until there is an answer. The exchange goes back to the others if it goes
  // on.
  std::optional<v1::Answer> Handle(uint64_t question_id, Exchange exchange, SaslStep step);
  // The next step; nothing: it will be handled when it is known, and `exchange` is gone.
  std::optional<SaslStep> FindLogin(uint64_t question_id, Exchange& exchange);
  void AskDirectories(uint64_t question_id, Exchange exchange);
  void AskChecker(uint64_t question_id, Exchange exchange);
  std::optional<v1::Answer> DoWork(uint64_t question_id, Exchange exchange);
  // For steps that come later.
  void Deliver(uint64_t question_id, Exchange exchange, SaslStep step);

  v1::Answer Keep(Exchange exchange, SaslStep step);
  v1::Answer Succeed(const RunningExchange& exchange, SaslStep step);
  v1::Answer Fail(const RunningExchange& exchange, const SaslStep& step);
  v1::Answer TryLater(const RunningExchange& exchange);

  const std::shared_ptr<const CurrentParts> parts_;
  const std::function<void(v1::Answer)> send_;
  Exchanges exchanges_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_AUTH_DIALOGUE_H_
