// AUTH: the exchange is auth-service's; what goes over the wire is the engine's.
#include <utility>

#include "services/common/net/stream.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

asio::awaitable<void> Session::On(smtp::event::AuthStart event) {
  stage_ = Stage::kAuth;
  auth_mechanism_ = event.mechanism;
  auth::v1::Question question;
  auth::v1::AuthStart* start = question.mutable_auth_start();
  start->set_mechanism(event.mechanism);
  start->set_has_initial_response(event.initial_response.has_value());
  if (event.initial_response) start->set_initial_response(*std::move(event.initial_response));
  const net::TlsFacts& tls = stream_->tls_facts();
  start->set_channel_binding_exporter(tls.exporter_binding);
  start->set_channel_binding_server_end_point(tls.server_end_point_binding);
  co_await ContinueAuth(std::move(question));
}

asio::awaitable<void> Session::On(smtp::event::AuthResponse event) {
  auth::v1::Question question;
  question.mutable_auth_response()->set_response(std::move(event.response));
  co_await ContinueAuth(std::move(question));
}

asio::awaitable<void> Session::ContinueAuth(auth::v1::Question question) {
  const absl::StatusOr<auth::v1::Answer> answer = co_await Ask(std::move(question));
  if (answer.ok() && answer->has_challenge()) {
    engine_->Challenge(answer->challenge().challenge());
  } else if (answer.ok() && answer->has_success()) {
    *facts_.mutable_identity() = answer->success().identity();
    engine_->Accept();
    EndAuth("ok");
  } else if (answer.ok() && answer->has_verdict() && !answer->verdict().accepted()) {
    const int code = answer->verdict().reply().code();
    Refuse(answer->verdict());
    EndAuth(code == smtp::kAuthFailed.code ? "bad_credentials" : "refused");
  } else {
    RefuseWith(smtp::kAuthUnavailable, "away");
    EndAuth("error");
  }
}

asio::awaitable<void> Session::On(smtp::event::AuthCancelled) {
  auth::v1::Question question;
  question.mutable_auth_cancel();
  (void)co_await Ask(std::move(question));  // the client has its answer already
  EndAuth("aborted");
}

// AUTH where there is none on offer: the policy says how to answer that, and whether to go on.
asio::awaitable<void> Session::On(smtp::event::UnofferedAuth) {
  // There may be one that we could not learn of.
  if (lacks_offer_) co_return RefuseWith(smtp::kAuthUnavailable, "away");
  auth::v1::Question question;
  question.mutable_auth_start();  // of no mechanism
  const absl::StatusOr<auth::v1::Answer> answer = co_await Ask(std::move(question));
  if (answer.ok() && answer->has_verdict() && !answer->verdict().accepted()) {
    Refuse(answer->verdict());
  } else {
    RefuseWith(smtp::kAuthUnavailable, "away");
  }
}

void Session::EndAuth(absl::string_view result) {
  environment_.metrics->CountAuth(auth_mechanism_, result);
  auth_mechanism_.clear();
  stage_ = Stage::kIdle;
}

}  // namespace turnpike::frontend
