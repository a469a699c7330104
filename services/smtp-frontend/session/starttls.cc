// STARTTLS.
#include <memory>
#include <utility>

#include "services/common/smtp/server_options.h"
#include "services/smtp-frontend/session/offers.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

asio::awaitable<void> Session::On(smtp::event::StartTls) {
  engine_->Accept();
  const bool is_flushed = co_await Flush();
  if (!is_flushed) co_return;
  const bool has_tls = co_await ShakeHands();
  if (!has_tls) co_return;
  std::shared_ptr<const smtp::ServerOptions> options;
  if (facts_.certificate_addresses_size() > 0) {
    // There may be more on offer now (EXTERNAL).
    auth::v1::Question question;
    question.mutable_connect();
    const absl::StatusOr<auth::v1::Answer> answer = co_await Ask(std::move(question));
    if (answer.ok() && answer->has_offer()) options = Offers::ForOne(listener_, answer->offer());
  }
  engine_->OnTlsStarted(std::move(options));
  // [RFC3207 4.2] what was learned in clear is forgotten. (The engine refuses STARTTLS after AUTH.)
  facts_.clear_identity();
  stage_ = Stage::kConnect;
}

}  // namespace turnpike::frontend
