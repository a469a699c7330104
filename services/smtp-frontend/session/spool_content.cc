#include "services/smtp-frontend/session/spool_content.h"

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/net/await.h"

namespace turnpike::frontend {

// What has been read and not been sent. Thread-safe.
class SpoolContent::Pieces {
 public:
  using Piece = absl::StatusOr<std::string>;  // an empty one: the end

  // False: no more is wanted.
  bool Add(absl::string_view piece) {
    {
      absl::MutexLock lock(&mu_);
      if (is_unwanted_) return false;
      if (!piece.empty()) pieces_.emplace_back(piece);
    }
    Wake();
    return true;
  }

  void End(absl::Status status) {
    {
      absl::MutexLock lock(&mu_);
      is_ended_ = true;
      status_ = std::move(status);
    }
    Wake();
  }

  void Stop() {
    absl::MutexLock lock(&mu_);
    is_unwanted_ = true;
    pieces_.clear();
  }

  void WhenNext(absl::AnyInvocable<void(Piece)> done) {
    Piece piece;
    {
      absl::MutexLock lock(&mu_);
      if (!Take(&piece)) {
        done_ = std::move(done);
        return;
      }
    }
    done(std::move(piece));
  }

 private:
  bool Take(Piece* piece) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!pieces_.empty()) {
      *piece = std::move(pieces_.front());
      pieces_.pop_front();
      return true;
    }
    if (!is_ended_) return false;
    *piece = status_.ok() ? Piece(std::string()) : Piece(status_);
    return true;
  }

  void Wake() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::AnyInvocable<void(Piece)> done;
    Piece piece;
    {
      absl::MutexLock lock(&mu_);
      if (!done_ || !Take(&piece)) return;
      done = std::move(done_);
      done_ = nullptr;
    }
    done(std::move(piece));
  }

  absl::Mutex mu_;
  std::deque<std::string> pieces_ ABSL_GUARDED_BY(mu_);
  bool is_ended_ ABSL_GUARDED_BY(mu_) = false;
  bool is_unwanted_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  absl::AnyInvocable<void(Piece)> done_ ABSL_GUARDED_BY(mu_);
};

SpoolContent::SpoolContent(spool::Spool& spool, absl::string_view message_id)
    : pieces_(std::make_shared<Pieces>()) {
  spool.ReadContent(
      message_id, [pieces = pieces_](absl::string_view piece) { return pieces->Add(piece); },
      [pieces = pieces_](absl::Status status) { pieces->End(std::move(status)); });
}

SpoolContent::~SpoolContent() { pieces_->Stop(); }

asio::awaitable<absl::StatusOr<net::ContentPiece>> SpoolContent::Next() {
  net::StartOperation<Pieces::Piece> start = [this](absl::AnyInvocable<void(Pieces::Piece)> done) {
    pieces_->WhenNext(std::move(done));
  };
  Pieces::Piece piece = co_await net::Await<Pieces::Piece>(std::move(start));
  if (!piece.ok()) co_return piece.status();
  current_ = *std::move(piece);
  co_return net::ContentPiece{.bytes = current_, .is_last = current_.empty()};
}

}  // namespace turnpike::frontend
