// The SMTP client: a smtp::ClientEngine on a net::Stream. Used by outbound-delivery, by the
// reversed half of ATRN, and by the ODMR and ETRN clients.
//
//   SmtpClient client(*stream, {.engine = {.host_name = "mx.example.org"}});
//   if (auto end = co_await client.Open()) …                // why there is no session
//   while (client.can_send()) { outcomes = co_await client.Send({…}); … }
//   co_await client.Quit();
//
// With PIPELINING the next envelope may be on its way before the answer to the last message:
//
//   while (client.can_send()) co_await client.Begin({…}, on_outcomes);
//   co_await client.Finish();
//   co_await stream->CloseGracefully();
#ifndef TURNPIKE_SERVICES_COMMON_NET_SMTP_CLIENT_H_
#define TURNPIKE_SERVICES_COMMON_NET_SMTP_CLIENT_H_

#include <array>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/net/stream.h"
#include "services/common/net/tls_peer.h"
#include "services/common/smtp/client_engine.h"

namespace turnpike::net {

class SaslClient;

struct SmtpTimeouts {  // [RFC5321 4.5.3.2]
  absl::Duration greeting = absl::Minutes(5);
  absl::Duration command = absl::Minutes(5);     // for each reply; STARTTLS's handshake too
  absl::Duration data_block = absl::Minutes(3);  // for each write of content
  absl::Duration end_of_data = absl::Minutes(10);
  absl::Duration atrn = absl::Minutes(10);  // at least as long [RFC2645 5.2.1]
  absl::Duration quit = absl::Seconds(10);
};

enum class SmtpTls {
  kNone,           // as the connection is: in clear, or in the TLS that it has already
  kOpportunistic,  // STARTTLS where it is offered; in clear if it is refused with a reply
  kRequired,       // STARTTLS or no session
  kImplicit,       // TLS before the greeting
};

struct SmtpClientOptions {
  smtp::ClientOptions engine;
  SmtpTimeouts timeouts;
  SmtpTls tls = SmtpTls::kNone;
  std::shared_ptr<const TlsContext> tls_context;  // set unless kNone
  TlsPeer tls_peer;                               // whom TLS is with, and how we know
  SaslClient* sasl = nullptr;                     // null: no AUTH. Outlives the client
};

// Why a session is over, or was none.
struct SmtpSessionEnd {
  enum class Cause {
    kQuit,
    kRefused,         // the greeting or EHLO, by `reply`
    kServiceClosing,  // 421
    kProtocolError,   // the peer does not speak SMTP
    kDisconnected,
    kTimeout,
    kTlsNotOffered,   // kRequired only, as the next
    kTlsRefused,      // by `reply`
    kTlsFailed,       // the handshake; trying again in clear needs a new connection
    kAuthNotOffered,  // no mechanism that the SaslClient accepts
    kAuthFailed,      // by `reply`, or the server has not proved itself
    kAborted,         // here: the content could not be had, or its end was not to be sent
    kUnsendableContent,
    kTurned,  // ATRN: the roles have changed
  };
  Cause cause = Cause::kQuit;
  smtp::Reply reply;  // the peer's last words, or ours
};

// A part of a message's content.
struct ContentPiece {
  absl::string_view bytes;  // until the next call of Next
  bool is_last = false;
};

// Where content comes from that is not in memory as a whole.
class ContentSource {
 public:
  virtual ~ContentSource() = default;
  // The next piece, best of 64 KiB or more. An error ends the session without an end of data.
  virtual asio::awaitable<absl::StatusOr<ContentPiece>> Next() = 0;
};

struct SmtpTransaction {
  smtp::OutgoingMessage message;
  // The content, or its beginning if there is a source for the rest. Not copied; valid until Send
  // has returned, like `rest`.
  absl::string_view content;
  ContentSource* rest = nullptr;
  // Awaited when all but the end of data is encoded, which is sent when it has returned OK (DQ-34);
  // an error ends the session without it. Empty: none. Sets message.is_end_of_data_held.
  std::function<asio::awaitable<absl::Status>()> before_end_of_data;
};

// Strand-confined, like its stream. One call at a time. A coroutine of it that waits is ended by
// Close of the stream.
class SmtpClient {
 public:
  // One outcome for each recipient, in their order.
  using OnOutcomes = absl::AnyInvocable<void(std::vector<smtp::RecipientOutcome>) &&>;

  // `stream` outlives the client, which never closes it.
  SmtpClient(Stream& stream, SmtpClientOptions options);
  SmtpClient(const SmtpClient&) = delete;
  SmtpClient& operator=(const SmtpClient&) = delete;
  ~SmtpClient();

  // Greeting, EHLO, and STARTTLS and AUTH as the options say. Nothing when the session is ready.
  asio::awaitable<std::optional<SmtpSessionEnd>> Open();

  // One transaction; one outcome for each recipient, in their order, always. When the connection is
  // lost, or was before, they say so (Stage::kConnection). An earlier transaction that the peer has
  // not ended is reset first.
  asio::awaitable<std::vector<smtp::RecipientOutcome>> Send(SmtpTransaction transaction);

  // Like Send, but returns as soon as the next message may follow: where the peer offers
  // PIPELINING, when the end of data is ready to be written, which happens with the next Begin,
  // Flush, Finish or Quit; elsewhere when it is answered. `on_outcomes` is called once, inside of
  // one of these, messages in their order: a message's before the next one's before_end_of_data. At
  // most one message is without its outcomes when Begin returns.
  asio::awaitable<void> Begin(SmtpTransaction transaction, OnOutcomes on_outcomes);
  // Writes what Begin has left: before waiting for anything but the peer.
  asio::awaitable<void> Flush();
  // Waits until every message that was begun has its outcomes.
  asio::awaitable<void> Finish();

  // ETRN; the peer's reply, or why there is none (end()).
  asio::awaitable<std::optional<smtp::Reply>> Etrn(std::string argument);
  // ATRN. After a 250 the session has ended by kTurned, and the stream is to be served. [RFC2645]
  asio::awaitable<std::optional<smtp::Reply>> Atrn(std::vector<smtp::DomainName> domains);

  // QUIT, unless the session is over; waits a moment for the answer.
  asio::awaitable<void> Quit();

  bool can_send() const { return !end_.has_value() && engine_.can_send(); }
  const std::optional<SmtpSessionEnd>& end() const { return end_; }
  // Capabilities, greeting.
  const smtp::ClientEngine& engine() const { return engine_; }

 private:
  using Cause = SmtpSessionEnd::Cause;
  using Waiting = smtp::ClientEngine::Waiting;
  // What of the content in progress is still to be encoded.
  struct Content {
    absl::string_view piece;
    bool is_last_piece;
    ContentSource* source;
  };

  asio::awaitable<void> StartTls();
  asio::awaitable<bool> Handshake();
  asio::awaitable<void> Authenticate();

  // The next event but NeedInput; Closed sets end_.
  asio::awaitable<smtp::ClientEvent> NextEvent();
  // Acts on an event that ends messages or the session; false: it is another one.
  bool HandleEnd(smtp::ClientEvent& event);
  asio::awaitable<void> Exchange();  // writes the output, reads
  asio::awaitable<void> Push();      // writes the output, and sets the deadline of the answer
  asio::awaitable<void> WriteOutput(absl::Duration timeout);
  asio::awaitable<void> FeedContent(Content* content);
  asio::awaitable<void> AwaitEndOfData(SmtpTransaction* transaction, uint64_t message);
  // QUIT, and the session counts as ended for this reason.
  asio::awaitable<void> Leave(Cause cause, smtp::Reply reply);
  void End(Cause cause, const smtp::Reply& reply);
  void OnClosed(const smtp::client_event::Closed& closed);
  absl::Duration ReplyTimeout(Waiting waiting) const;

  Stream& stream_;
  const SmtpClientOptions options_;
  smtp::ClientEngine engine_;
  std::optional<SmtpSessionEnd> end_;
  std::deque<OnOutcomes> begun_;         // messages without outcomes
  size_t recipient_count_ = 0;           // of the transaction in progress
  Waiting waiting_ = Waiting::kNothing;  // what reply_deadline_ is for
  absl::Time reply_deadline_;
  bool is_broken_ = false;  // nothing can be written any more; the peer's last words may be there
  bool timed_out_ = false;
  std::array<char, 4096> input_;
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_SMTP_CLIENT_H_
