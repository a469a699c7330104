#include "services/smtp-frontend/session/atrn_watch.h"

#include <utility>

namespace turnpike::frontend {

void AtrnWatch::Revoke(Cause cause) {
  absl::AnyInvocable<void()> on_revoked;
  {
    absl::MutexLock lock(&mu_);
    if (cause_ != Cause::kNone) return;
    cause_ = cause;
    on_revoked = std::move(on_revoked_);
    on_revoked_ = nullptr;
  }
  if (on_revoked) on_revoked();
}

AtrnWatch::Cause AtrnWatch::cause() const {
  absl::MutexLock lock(&mu_);
  return cause_;
}

void AtrnWatch::SetOnRevoked(absl::AnyInvocable<void()> on_revoked) {
  {
    absl::MutexLock lock(&mu_);
    if (cause_ == Cause::kNone) {
      on_revoked_ = std::move(on_revoked);
      return;
    }
  }
  if (on_revoked) on_revoked();
}

void AtrnWatch::OnResponse(dequeue::v1::RunAtrnResponse response) {
  if (response.revoke()) Revoke(Cause::kRevoked);
  answer_.Set(std::move(response));
}

void AtrnWatch::OnClosed(absl::Status status) {
  if (status.ok()) status = absl::UnavailableError("gateway-dequeue ended the session");
  answer_.Set(std::move(status));
  Revoke(Cause::kClosed);
}

}  // namespace turnpike::frontend
