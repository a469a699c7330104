// STARTTLS.
#include <string>

#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

asio::awaitable<void> Session::On(smtp::event::StartTls) {
  engine_->Accept();
  const bool is_flushed = co_await Flush();
  if (!is_flushed) co_return;
  const bool has_tls = co_await ShakeHands();
  if (!has_tls) co_return;
  engine_->OnTlsStarted();
  // [RFC3207 4.2] what was learned in clear is forgotten. (The engine refuses STARTTLS after AUTH.)
  facts_.clear_identity();
  stage_ = Stage::kConnect;
}

}  // namespace turnpike::frontend
