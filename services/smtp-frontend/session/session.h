// One SMTP session: a coroutine that carries bytes between a stream and the engine, and the
// engine's questions to those who can answer them. A file for each kind of question (`mail.cc`,
// `etrn.cc`, …).
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_SESSION_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_SESSION_H_

#include <array>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "protos/turnpike/frontend/v1/frontend.pb.h"
#include "services/common/net/stream.h"
#include "services/common/smtp/reply.h"
#include "services/common/smtp/server_engine.h"
#include "services/gateway-dequeue/client/dequeue.h"
#include "services/smtp-frontend/session/atrn_watch.h"
#include "services/smtp-frontend/session/buffer_pool.h"
#include "services/smtp-frontend/session/content.h"
#include "services/smtp-frontend/session/environment.h"
#include "services/smtp-frontend/session/stage.h"
#include "services/smtp-frontend/session/transaction.h"

namespace turnpike::frontend {

class Turn;

// Strand-confined to its I/O thread.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // `environment` outlives the session.
  Session(const SessionEnvironment& environment, std::shared_ptr<const ListenerProfile> listener,
          std::unique_ptr<net::Stream> stream);
  // On a connection that we have opened, and that ATRN has turned round: the peer hands over the
  // mail that we asked it for. Whom we asked offers nothing to log in to, and is not asked about at
  // connect. (DQ-50)
  struct Collected {
    std::string run_id;  // becomes the session's
  };
  Session(const SessionEnvironment& environment, std::shared_ptr<const ListenerProfile> listener,
          std::unique_ptr<net::Stream> stream, Collected collected);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // From the first octet to the close. Spawn once.
  static asio::awaitable<void> Run(std::shared_ptr<Session> self);

  // 421 as soon as no transaction is under way; a turned session ends after the message in
  // progress. (PL-7)
  void Drain();
  // Closes the connection at once; Run ends soon.
  void Abort();

  const std::string& id() const { return id_; }
  asio::any_io_executor executor() const { return stream_->executor(); }
  v1::Session Describe() const;

  // What came of it, once Run has ended.
  struct Outcome {
    int64_t messages = 0;  // taken
    int64_t refused = 0;   // commands and messages refused
    int64_t failed = 0;    // of these, for a store or a policy that was away
    bool has_quit = false;
    std::string ending;  // in words
  };
  Outcome outcome() const;

 private:
  // What the log line at the end tells.
  struct Totals {
    int64_t messages = 0;
    int64_t bytes = 0;
    int64_t refused = 0;
    int64_t failed = 0;  // of these, for want of another service
    std::string last_refusal;
  };

  Session(const SessionEnvironment& environment, std::shared_ptr<const ListenerProfile> listener,
          std::unique_ptr<net::Stream> stream, std::string id, bool is_collected);

  asio::awaitable<void> Serve();
  asio::awaitable<bool> ShakeHands();  // false: failed, the session is over
  asio::awaitable<void> Open();        // asks what to offer, makes the engine
  void LogEnd() const;

  // The engine's events.
  asio::awaitable<void> On(smtp::event::NeedInput event);
  asio::awaitable<void> On(smtp::event::Connected event);
  asio::awaitable<void> On(smtp::event::Hello event);
  asio::awaitable<void> On(smtp::event::Mail event);
  asio::awaitable<void> On(smtp::event::Rcpt event);
  asio::awaitable<void> On(smtp::event::ContentStart event);
  asio::awaitable<void> On(smtp::event::ContentChunk event);
  asio::awaitable<void> On(smtp::event::ContentRefused event);
  asio::awaitable<void> On(smtp::event::EndOfContent event);
  asio::awaitable<void> On(smtp::event::TransactionReset event);
  asio::awaitable<void> On(smtp::event::AuthStart event);
  asio::awaitable<void> On(smtp::event::AuthResponse event);
  asio::awaitable<void> On(smtp::event::AuthCancelled event);
  asio::awaitable<void> On(smtp::event::UnofferedAuth event);
  asio::awaitable<void> On(smtp::event::StartTls event);
  asio::awaitable<void> On(smtp::event::Etrn event);
  asio::awaitable<void> On(smtp::event::Atrn event);
  asio::awaitable<void> On(smtp::event::Turned event);
  asio::awaitable<void> On(smtp::event::Close event);

  // Writes the engine's output; false: the connection is lost.
  asio::awaitable<bool> Flush();
  absl::Time ReadDeadline();
  void Lose(const absl::Status& status);  // the connection broke, or the client closed it
  // Says 421 to a client that is silent, beside the pending read, and closes.
  static asio::awaitable<void> SayFarewell(std::shared_ptr<Session> self);

  asio::awaitable<absl::StatusOr<auth::v1::Answer>> Ask(auth::v1::Question question);
  void WarnOfPolicy(const absl::Status& status);
  // Answers the open question of the engine as a verdict that does not accept wants it.
  void Refuse(const auth::v1::Verdict& verdict);
  // The same with a reply of our own.
  void RefuseWith(const smtp::Reply& reply, absl::string_view rule);
  void NoteRefusal(const smtp::Reply& reply, absl::string_view rule);

  bool MayNameRecipient();
  asio::awaitable<void> ContinueAuth(auth::v1::Question question);
  void EndAuth(absl::string_view result);
  asio::awaitable<void> SpillContent();
  // Why the policy does not like the message's header section, if it wants to see it and has not
  // yet. `is_whole`: all of the content has come.
  struct HeaderRefusal {
    smtp::Reply reply;
    std::string rule;
  };
  asio::awaitable<std::optional<HeaderRefusal>> CheckHeader(bool is_whole);
  void DropTransaction();
  void FillClient(mail::v1::ClientFacts* client) const;
  std::string ReceivedField(const base::MessageId& id, absl::Time now) const;
  dequeue::v1::Asker Asker() const;

  const SessionEnvironment& environment_;
  const std::shared_ptr<const ListenerProfile> kept_listener_;
  const ListenerProfile& listener_;
  const std::unique_ptr<net::Stream> stream_;
  const absl::Time begin_time_;
  const std::string id_;
  const bool is_collected_;
  auth::v1::SessionFacts facts_;
  std::optional<smtp::ServerEngine> engine_;  // from Open on
  bool lacks_offer_ = false;                  // the policy did not answer at the beginning
  std::optional<smtp::Reply> connect_refusal_;
  bool is_connect_refusal_final_ = false;  // close after it
  Stage stage_ = Stage::kConnect;
  Totals totals_;
  std::string ending_;  // why the session is over; empty while it is not
  bool has_quit_ = false;

  // Reading. What arrives between transactions is short, and most sessions wait there.
  std::array<char, 2048> command_buffer_;
  BufferPool::Buffer content_buffer_;  // only while content comes in
  bool has_progressed_ = true;         // since the command deadline was set
  absl::Time command_deadline_;
  absl::Time data_deadline_;

  // Draining.
  bool is_drain_requested_ = false;
  bool is_engine_draining_ = false;
  bool is_reading_ = false;
  bool has_said_farewell_ = false;

  // The message in progress.
  std::optional<Transaction> transaction_;
  std::optional<Content> content_;
  uint64_t declared_bytes_ = 0;  // SIZE of MAIL
  bool wants_header_ = false;    // the policy does, and has not seen it

  std::string auth_mechanism_;  // of the exchange in progress; empty: none

  // ATRN, once granted.
  dequeue::v1::AtrnGrant atrn_grant_;
  std::shared_ptr<AtrnWatch> atrn_watch_;
  std::unique_ptr<dequeue::AtrnSession> atrn_session_;
  Turn* turn_ = nullptr;  // while it runs
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_SESSION_H_
