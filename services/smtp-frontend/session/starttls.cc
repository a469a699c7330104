// STARTTLS.
#include <string>

#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

asio::awaitable<void> Session::On(smtp::event::StartTls) {
  engine_->Accept();
  if (!co_await Flush()) co_return;
  if (!co_await ShakeHands()) co_return;
  engine_->OnTlsStarted();
  // [RFC3207 4.2] what was learned in clear is forgotten. (The engine refuses STARTTLS after AUTH.)
  facts_.clear_identity();
  stage_ = Stage::kConnect;
}

}  // namespace turnpike::frontend
