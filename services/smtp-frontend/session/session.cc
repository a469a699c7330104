#include "services/smtp-frontend/session/session.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <exception>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "services/common/base/random.h"
#include "services/common/net/await.h"
#include "services/common/net/ip.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/replies.h"
#include "services/smtp-frontend/session/turn.h"

namespace turnpike::frontend {
namespace {

// How long a last word may take to reach a client that does not read.
constexpr absl::Duration kFarewellTime = absl::Seconds(2);
constexpr absl::Duration kPolicyWarningInterval = absl::Seconds(1);

std::string NewSessionId() {
  return absl::StrCat(absl::Hex(base::RandomUint64() >> 16, absl::kZeroPad12));
}

absl::string_view ReasonName(smtp::event::Close::Reason reason) {
  using Reason = smtp::event::Close::Reason;
  switch (reason) {
    case Reason::kQuit:
      return "quit";
    case Reason::kAnswer:
      return "refused";
    case Reason::kTooManyErrors:
      return "too many errors";
    case Reason::kTooManyRefusals:
      return "too many refusals";
    case Reason::kTooManyIdleCommands:
      return "too many idle commands";
    case Reason::kTooManyChunks:
      return "too many chunks";
    case Reason::kTooManyAuthFailures:
      return "too many failed authentications";
    case Reason::kBareNewline:
      return "bare newline";
    case Reason::kBadChunkSize:
      return "bad chunk size";
  }
  return "";
}

}  // namespace

Session::Session(const SessionEnvironment& environment,
                 std::shared_ptr<const ListenerProfile> listener,
                 std::unique_ptr<net::Stream> stream)
    : Session(environment, std::move(listener), std::move(stream), NewSessionId(),
              /*is_collected=*/false) {}

Session::Session(const SessionEnvironment& environment,
                 std::shared_ptr<const ListenerProfile> listener,
                 std::unique_ptr<net::Stream> stream, Collected collected)
    : Session(environment, std::move(listener), std::move(stream), std::move(collected.run_id),
              /*is_collected=*/true) {}

Session::Session(const SessionEnvironment& environment,
                 std::shared_ptr<const ListenerProfile> listener,
                 std::unique_ptr<net::Stream> stream, std::string id, bool is_collected)
    : environment_(environment),
      kept_listener_(std::move(listener)),
      listener_(*kept_listener_),
      stream_(std::move(stream)),
      begin_time_(absl::Now()),
      id_(std::move(id)),
      is_collected_(is_collected) {
  facts_.set_tls(stream_->has_tls());
  facts_.set_client_address(net::IpAddress::From(stream_->remote_endpoint().address()).ToString());
  facts_.set_listener(listener_.name);
  facts_.set_role(listener_.role);
  listener_.metrics->connections.Increment();
  listener_.metrics->open_connections.Increment();
}

Session::~Session() { listener_.metrics->open_connections.Decrement(); }

asio::awaitable<void> Session::Run(std::shared_ptr<Session> self) {
  co_await self->Serve();
  // What came of it is told before the close, which a slow client can draw out.
  self->DropTransaction();
  self->LogEnd();
  if (self->has_said_farewell_) co_return;
  if (self->has_quit_ && !self->stream_->has_tls()) {
    // The client waits for nothing but the end, and has nothing more to say: no need to listen.
    self->stream_->Close();
  } else {
    co_await self->stream_->CloseGracefully();
  }
}

asio::awaitable<void> Session::Serve() {
  if (listener_.implicit_tls) {
    const bool has_tls = co_await ShakeHands();
    if (!has_tls) co_return;
  }
  co_await Open();
  // Not a lambda inside of a co_await expression: g++ 12 would destroy its captures twice.
  const auto handle = [this](auto& event) { return On(std::move(event)); };
  while (ending_.empty()) {
    smtp::ServerEvent event = engine_->Next();
    if (!std::holds_alternative<smtp::event::NeedInput>(event)) has_progressed_ = true;
    co_await std::visit(handle, event);
  }
}

asio::awaitable<bool> Session::ShakeHands() {
  const absl::Status status =
      co_await stream_->StartTlsAsServer(listener_.tls, absl::Now() + listener_.timeouts.idle);
  const net::TlsFacts& tls = stream_->tls_facts();
  environment_.metrics->CountHandshake(*listener_.metrics, status.ok() ? tls.protocol : "");
  if (!status.ok()) {
    Lose(status);
    co_return false;
  }
  facts_.set_tls(true);
  facts_.mutable_certificate_addresses()->Assign(tls.client_addresses.begin(),
                                                 tls.client_addresses.end());
  co_return true;
}

asio::awaitable<void> Session::On(smtp::event::NeedInput) {
  if (is_drain_requested_ && !is_engine_draining_) {
    is_engine_draining_ = true;
    engine_->Drain(smtp::kShuttingDown);
    co_return;  // the engine says whether there is more to wait for
  }
  if (!engine_->is_receiving_content()) {
    content_buffer_ = BufferPool::Buffer();
  } else if (content_ && content_->sink()->size() >= Content::kSpillBytes) {
    co_await SpillContent();
  }
  const bool is_flushed = co_await Flush();
  if (!is_flushed) co_return;
  const absl::Span<char> buffer =
      content_buffer_ ? content_buffer_.span() : absl::MakeSpan(command_buffer_);
  is_reading_ = true;
  const absl::StatusOr<size_t> count = co_await stream_->Read(buffer, ReadDeadline());
  is_reading_ = false;
  if (has_said_farewell_) {
    ending_ = "drained";
  } else if (absl::IsDeadlineExceeded(count.status())) {
    environment_.metrics->CountLost(stage_);
    engine_->Terminate(smtp::kTimeout);
    co_await Flush();
    if (ending_.empty()) ending_ = "timeout";
  } else if (!count.ok() || *count == 0) {
    Lose(count.status());
  } else {
    engine_->Receive(absl::string_view(buffer.data(), *count));
  }
}

// A command must be whole within the idle time, so that a client that drips octets gains nothing;
// content within its own, and never silent for longer than that.
absl::Time Session::ReadDeadline() {
  const absl::Time now = absl::Now();
  const absl::Time idle_deadline = now + listener_.timeouts.idle;
  if (engine_->is_receiving_content()) {
    has_progressed_ = true;
    return std::min(idle_deadline, data_deadline_);
  }
  if (std::exchange(has_progressed_, false)) command_deadline_ = idle_deadline;
  return command_deadline_;
}

asio::awaitable<bool> Session::Flush() {
  if (engine_->output().empty()) co_return true;
  has_progressed_ = true;
  const absl::Status status =
      co_await stream_->Write(engine_->output(), absl::Now() + listener_.timeouts.idle);
  engine_->ClearOutput();
  if (!status.ok()) Lose(status);
  co_return status.ok();
}

asio::awaitable<void> Session::On(smtp::event::Close event) {
  has_quit_ = event.reason == smtp::event::Close::Reason::kQuit;
  if (has_quit_ && !stream_->has_tls()) stream_->ExpectClose();
  co_await Flush();
  if (!ending_.empty()) co_return;
  ending_ = std::string(is_engine_draining_ && event.reason == smtp::event::Close::Reason::kAnswer
                            ? "drained"
                            : ReasonName(event.reason));
}

void Session::Lose(const absl::Status& status) {
  environment_.metrics->CountLost(stage_);
  ending_ = status.ok() ? "lost: closed by the client" : absl::StrCat("lost: ", status.message());
}

void Session::Drain() {
  is_drain_requested_ = true;
  if (atrn_watch_ != nullptr) atrn_watch_->Revoke(AtrnWatch::Cause::kDrain);
  if (turn_ != nullptr && turn_->is_opening()) stream_->Close();
  // Unless it waits for the client, it sees the request before it does so next.
  if (!is_reading_ || is_engine_draining_ || has_said_farewell_) return;
  is_engine_draining_ = true;
  engine_->Drain(smtp::kShuttingDown);
  // A transaction under way comes to its end first.
  if (!std::holds_alternative<smtp::event::Close>(engine_->Next())) return;
  has_said_farewell_ = true;
  const auto log_exception = [](std::exception_ptr exception) {
    if (exception) TURNPIKE_LOG(kError, "exception in a session");
  };
  asio::co_spawn(stream_->executor(), SayFarewell(shared_from_this()), log_exception);
}

asio::awaitable<void> Session::SayFarewell(std::shared_ptr<Session> self) {
  // Whether the client gets it or not, the connection is closed, which ends the pending read.
  (void)co_await self->stream_->Write(self->engine_->output(), absl::Now() + kFarewellTime);
  self->stream_->Close();
}

void Session::Abort() { stream_->Close(); }

asio::awaitable<absl::StatusOr<auth::v1::Answer>> Session::Ask(auth::v1::Question question) {
  question.set_session_id(id_);
  *question.mutable_facts() = facts_;
  const absl::Time deadline = absl::Now() + listener_.timeouts.policy;
  net::StartOperation<absl::StatusOr<auth::v1::Answer>> start =
      [this, &question, deadline](auth::Policy::AnswerCallback done) {
        environment_.policy->Ask(std::move(question), deadline, std::move(done));
      };
  absl::StatusOr<auth::v1::Answer> answer =
      co_await net::Await<absl::StatusOr<auth::v1::Answer>>(std::move(start));
  if (!answer.ok()) WarnOfPolicy(answer.status());
  co_return answer;
}

void Session::WarnOfPolicy(const absl::Status& status) {
  const absl::Time now = absl::Now();
  if (now - *environment_.policy_warning_time < kPolicyWarningInterval) return;
  *environment_.policy_warning_time = now;
  TURNPIKE_LOG(kWarning, "policy not available", {{"session", id_}, {"error", status.ToString()}});
}

void Session::Refuse(const auth::v1::Verdict& verdict) {
  smtp::Reply reply = ReplyFromProto(verdict.reply());
  if (!reply.is_transient() && !reply.is_permanent()) reply = smtp::kTemporaryFailure;
  if (!verdict.close()) return RefuseWith(reply, verdict.rule());
  NoteRefusal(reply, verdict.rule());
  engine_->Terminate(reply);
}

void Session::RefuseWith(const smtp::Reply& reply, absl::string_view rule) {
  NoteRefusal(reply, rule);
  engine_->Answer(reply);
}

void Session::NoteRefusal(const smtp::Reply& reply, absl::string_view rule) {
  environment_.metrics->CountRejection(stage_, reply);
  ++totals_.refused;
  if (rule == "spool" || rule == "away") ++totals_.failed;
  totals_.last_refusal = reply.ToString();
  TURNPIKE_LOG(kDebug, "refused",
               {{"session", id_},
                {"stage", StageName(stage_)},
                {"rule", rule},
                {"reply", totals_.last_refusal}});
}

dequeue::v1::Asker Session::Asker() const {
  dequeue::v1::Asker asker;
  asker.set_session_id(id_);
  asker.set_client_address(facts_.client_address());
  asker.set_listener(facts_.listener());
  asker.set_tls(facts_.tls());
  const auth::v1::Identity& identity = facts_.identity();
  if (identity.kind() == auth::v1::Identity::KIND_GATEWAY) asker.set_gateway_login(identity.name());
  if (identity.kind() == auth::v1::Identity::KIND_ACCOUNT) asker.set_account_login(identity.name());
  return asker;
}

void Session::LogEnd() const {
  if (engine_) environment_.metrics->CountSyntaxErrors(engine_->error_count());
  const absl::Duration duration = absl::Now() - begin_time_;
  listener_.metrics->session_seconds.Observe(absl::ToDoubleSeconds(duration));
  TURNPIKE_LOG(kInfo, "session ended",
               {{"session", id_},
                {"listener", listener_.name},
                {"client", facts_.client_address()},
                {"helo", engine_ ? absl::string_view(engine_->hello_name()) : ""},
                {"tls", facts_.tls()},
                {"login", observe::LogAddress(facts_.identity().name())},
                {"messages", totals_.messages},
                {"bytes", totals_.bytes},
                {"refused", totals_.refused},
                {"last_refusal", totals_.last_refusal},
                {"errors", engine_ ? engine_->error_count() : 0},
                {"stage", StageName(stage_)},
                {"end", ending_},
                {"seconds", absl::ToDoubleSeconds(duration)}});
}

Session::Outcome Session::outcome() const {
  return {.messages = totals_.messages,
          .refused = totals_.refused,
          .failed = totals_.failed,
          .has_quit = has_quit_,
          .ending = ending_};
}

v1::Session Session::Describe() const {
  v1::Session session;
  session.set_session_id(id_);
  session.set_client_address(facts_.client_address());
  session.set_listener(listener_.name);
  *session.mutable_begin_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(begin_time_));
  session.set_stage(std::string(StageName(stage_)));
  session.set_login(facts_.identity().name());
  session.set_tls(facts_.tls());
  session.set_messages(totals_.messages);
  return session;
}

}  // namespace turnpike::frontend
