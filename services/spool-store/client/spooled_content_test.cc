#include "services/spool-store/client/spooled_content.h"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "services/spool-store/client/fake_spool.h"

namespace turnpike::spool {
namespace {

constexpr size_t kPieceBytes = kInlineContentBytesMax;

class SpooledContentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    v1::NewMessage message;
    message.set_message_id(id_);
    message.set_inline_content(content_);
    message.set_content_bytes(static_cast<int64_t>(content_.size()));
    v1::NewDelivery& delivery = *message.add_deliveries();
    delivery.mutable_queue()->set_kind(v1::QUEUE_KIND_REMOTE);
    delivery.mutable_queue()->set_name("example.org");
    delivery.add_recipients()->set_address("ann@example.org");
    absl::Status stored;
    spool_.Enqueue(message, absl::InfiniteFuture(), [&](absl::Status status) { stored = status; });
    ASSERT_TRUE(stored.ok()) << stored;
  }

  // The bytes of the next piece.
  absl::StatusOr<std::string> Next(SpooledContent& content) {
    absl::StatusOr<std::string> result = absl::UnknownError("no answer");
    asio::co_spawn(context_, Take(&content, &result), asio::detached);
    context_.restart();
    context_.run();
    return result;
  }

  static asio::awaitable<void> Take(SpooledContent* content, absl::StatusOr<std::string>* result) {
    const absl::StatusOr<net::ContentPiece> piece = co_await content->Next();
    if (!piece.ok()) {
      *result = piece.status();
    } else {
      EXPECT_EQ(piece->is_last, piece->bytes.empty());
      *result = std::string(piece->bytes);
    }
  }

  const std::string id_ = std::string(16, 'a');
  const std::string content_ = std::string(100 * kPieceBytes, 'x') + "end";
  FakeSpool spool_;
  asio::io_context context_;
};

TEST_F(SpooledContentTest, ReadsNothingThatWasNotAskedFor) {
  SpooledContent content(spool_, 1, id_, content_.size());
  EXPECT_EQ(spool_.content_bytes_read(), 0);
  for (int64_t taken = 1; taken <= 3; ++taken) {
    EXPECT_EQ(Next(content)->size(), kPieceBytes);
    EXPECT_EQ(spool_.content_bytes_read(), taken * static_cast<int64_t>(kPieceBytes));
  }
}

TEST_F(SpooledContentTest, EndsWithAnEmptyPiece) {
  SpooledContent content(spool_, 1, id_, content_.size());
  std::string read;
  while (true) {
    const absl::StatusOr<std::string> piece = Next(content);
    ASSERT_TRUE(piece.ok()) << piece.status();
    if (piece->empty()) break;
    read += *piece;
  }
  EXPECT_EQ(read, content_);
  EXPECT_TRUE(content.status().ok());
}

TEST_F(SpooledContentTest, ShorterContentThanWasPromisedHasNoEnd) {
  SpooledContent content(spool_, 1, id_, content_.size() + 1);
  absl::StatusOr<std::string> piece = Next(content);
  while (piece.ok() && !piece->empty()) piece = Next(content);
  EXPECT_EQ(piece.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(content.status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SpooledContentTest, LongerContentThanWasPromisedHasNoEnd) {
  SpooledContent content(spool_, 1, id_, kPieceBytes + 1);
  EXPECT_TRUE(Next(content).ok());
  EXPECT_EQ(Next(content).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SpooledContentTest, FailureOfTheStoreIsFinal) {
  SpooledContent content(spool_, 1, id_, content_.size());
  EXPECT_TRUE(Next(content).ok());
  spool_.SetReadStatus(absl::UnavailableError("away"));
  EXPECT_EQ(Next(content).status().code(), absl::StatusCode::kUnavailable);
  spool_.SetReadStatus(absl::OkStatus());
  EXPECT_EQ(Next(content).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace turnpike::spool
