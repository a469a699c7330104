// DATA and BDAT: the content of a message, and the moment when it becomes ours.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "prometheus/counter.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/received.h"
#include "services/common/smtp/reply_codes.h"
#include "services/common/spooled/queue_text.h"
#include "services/smtp-frontend/session/replies.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {
namespace {

constexpr size_t kHeaderBytesMax = 64 << 10;  // of auth.v1.Header
static_assert(kHeaderBytesMax < Content::kSpillBytes);

// The header section without the empty line that ends it. Nothing if it is too long to be asked
// about. A message without that line is all header.
std::optional<absl::string_view> FindHeaderSection(absl::string_view content, bool is_whole) {
  if (absl::StartsWith(content, "\r\n")) return absl::string_view();
  const size_t end = content.find("\r\n\r\n");
  if (end == absl::string_view::npos && !is_whole) return std::nullopt;
  const absl::string_view header =
      end == absl::string_view::npos ? content : content.substr(0, end + 2);
  if (header.size() > kHeaderBytesMax) return std::nullopt;
  return header;
}

}  // namespace

asio::awaitable<void> Session::On(smtp::event::ContentStart) {
  stage_ = Stage::kData;
  const absl::Time now = absl::Now();
  data_deadline_ = now + listener_.timeouts.data;
  const base::MessageId id = base::MessageId::Generate(now);
  content_.emplace(environment_, id, ReceivedField(id, now), declared_bytes_);
  content_buffer_ = environment_.buffers->Take();
  engine_->AcceptContent(content_->sink());
  co_return;
}

asio::awaitable<std::optional<Session::HeaderRefusal>> Session::CheckHeader(bool is_whole) {
  if (!wants_header_ || content_->has_spilled()) co_return std::nullopt;
  wants_header_ = false;
  const std::optional<absl::string_view> header = FindHeaderSection(content_->arrived(), is_whole);
  if (!header.has_value()) co_return HeaderRefusal{smtp::kHeaderTooBig, "header"};
  auth::v1::Question question;
  question.mutable_header()->set_return_path(transaction_->return_path());
  question.mutable_header()->set_header(header->data(), header->size());
  const absl::StatusOr<auth::v1::Answer> answer = co_await Ask(std::move(question));
  if (!answer.ok() || !answer->has_verdict()) {
    co_return HeaderRefusal{smtp::kTemporaryFailure, "away"};
  }
  const auth::v1::Verdict& verdict = answer->verdict();
  if (verdict.accepted()) co_return std::nullopt;
  smtp::Reply reply = ReplyFromProto(verdict.reply());
  if (!reply.is_transient() && !reply.is_permanent()) reply = smtp::kTemporaryFailure;
  co_return HeaderRefusal{std::move(reply), verdict.rule()};
}

// Pieces are passed on before the next read, when the input is used up. (On(NeedInput))
asio::awaitable<void> Session::On(smtp::event::ContentChunk) { co_return; }

asio::awaitable<void> Session::SpillContent() {
  // Nothing is stored before the policy has seen the header.
  const std::optional<HeaderRefusal> refusal = co_await CheckHeader(/*is_whole=*/false);
  if (refusal.has_value()) {
    NoteRefusal(refusal->reply, refusal->rule);
    engine_->RefuseContent(refusal->reply);
    content_.reset();
    co_return;
  }
  const absl::Status status = co_await content_->Spill();
  if (status.ok()) co_return;
  const smtp::Reply reply = SpoolFailureReply(status);
  TURNPIKE_LOG(
      kWarning, "content not stored",
      {{"session", id_}, {"message", content_->id().ToString()}, {"error", status.ToString()}});
  NoteRefusal(reply, "spool");
  engine_->RefuseContent(reply);
  content_.reset();
}

asio::awaitable<void> Session::On(smtp::event::ContentRefused event) {
  NoteRefusal(event.reply, "content");
  content_.reset();
  co_return;
}

asio::awaitable<void> Session::On(smtp::event::EndOfContent) {
  const std::optional<HeaderRefusal> refusal = co_await CheckHeader(/*is_whole=*/true);
  if (refusal.has_value()) {
    RefuseWith(refusal->reply, refusal->rule);
    co_return DropTransaction();
  }
  const absl::Time now = absl::Now();
  const std::string message_id = content_->id().ToString();
  const size_t bytes = content_->bytes();
  const size_t recipients = transaction_->recipient_count();
  const size_t queues = transaction_->queue_count();
  const std::string return_path = transaction_->return_path();
  const bool has_own_recipient = transaction_->has_own_recipient();
  spool::v1::NewMessage message = std::move(*transaction_).TakeMessage();
  const std::string first_recipient = message.deliveries(0).recipients(0).address();
  const std::string first_queue = spool::QueueText(message.deliveries(0).queue());
  FillClient(message.mutable_client());
  *message.mutable_received_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(now));
  const absl::Status stored =
      co_await content_->Commit(std::move(message), now + listener_.timeouts.store);
  if (stored.ok()) {
    // Here responsibility moves from the client to us: the message is durable. (PL-3)
    engine_->Answer(smtp::Reply(smtp::kMessageAccepted, absl::StrCat(message_id, " stored")));
    ++totals_.messages;
    totals_.bytes += static_cast<int64_t>(bytes);
    const AuthorizedBy by = facts_.has_identity() ? AuthorizedBy::kSasl
                            : has_own_recipient   ? AuthorizedBy::kRecipient
                                                  : AuthorizedBy::kAddress;
    listener_.metrics->messages[static_cast<size_t>(by)]->Increment();
    environment_.metrics->CountAccepted(bytes, recipients,
                                        absl::ToDoubleSeconds(absl::Now() - now));
    TURNPIKE_LOG(kInfo, "message stored",
                 {{"session", id_},
                  {"message", message_id},
                  {"from", observe::LogAddress(return_path)},
                  {"to", observe::LogAddress(first_recipient)},
                  {"queue", first_queue},
                  {"client", facts_.client_address()},
                  {"bytes", uint64_t{bytes}},
                  {"recipients", uint64_t{recipients}},
                  {"queues", uint64_t{queues}}});
  } else {
    TURNPIKE_LOG(kWarning, "message not stored",
                 {{"session", id_}, {"message", message_id}, {"error", stored.ToString()}});
    RefuseWith(SpoolFailureReply(stored), "spool");
  }
  DropTransaction();
}

asio::awaitable<void> Session::On(smtp::event::TransactionReset) {
  DropTransaction();
  co_return;
}

void Session::DropTransaction() {
  content_.reset();
  transaction_.reset();
  if (stage_ != Stage::kAtrn && ending_.empty()) stage_ = Stage::kIdle;
}

void Session::FillClient(mail::v1::ClientFacts* client) const {
  client->set_address(facts_.client_address());
  client->set_port(stream_->remote_endpoint().port());
  client->set_helo(engine_->hello_name());
  client->set_protocol(std::string(smtp::TransmissionTypeName(engine_->transmission_type())));
  client->set_account(facts_.identity().name());
  client->set_listener(listener_.name);
  client->set_tls_protocol(stream_->tls_facts().protocol);
  client->set_tls_cipher(stream_->tls_facts().cipher);
}

std::string Session::ReceivedField(const base::MessageId& id, absl::Time now) const {
  const net::TlsFacts& tls = stream_->tls_facts();
  const std::string tls_text =
      tls.protocol.empty() ? std::string() : absl::StrCat(tls.protocol, " ", tls.cipher);
  const std::string id_text = id.ToString();
  return smtp::FormatReceived({
      .helo = engine_->hello_name(),
      .client_address = facts_.client_address(),
      .server_name = listener_.options.host_name,
      .type = engine_->transmission_type(),
      .tls = tls_text,
      .id = id_text,
      .for_recipient = transaction_->only_recipient(),
      .time = now,
  });
}

}  // namespace turnpike::frontend
