#include "services/spool-store/client/spooled_content.h"

#include <utility>

#include "services/common/net/await.h"

namespace turnpike::spool {

asio::awaitable<absl::StatusOr<net::ContentPiece>> SpooledContent::Next() {
  if (!status_.ok()) co_return status_;
  using Piece = absl::StatusOr<std::string>;
  net::StartOperation<Piece> start = [this](absl::AnyInvocable<void(Piece)> done) {
    reader_->Next(std::move(done));
  };
  Piece piece = co_await net::Await<Piece>(std::move(start));
  if (!piece.ok()) {
    status_ = piece.status();
    co_return status_;
  }
  piece_ = *std::move(piece);
  given_ += piece_.size();
  if (piece_.empty() ? given_ < bytes_ : given_ > bytes_) {
    status_ = absl::DataLossError("the content's size is not what it was");
    co_return status_;
  }
  co_return net::ContentPiece{.bytes = piece_, .is_last = piece_.empty()};
}

}  // namespace turnpike::spool
