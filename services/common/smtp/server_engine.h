// The server's half of an SMTP conversation, without I/O: octets go in, events and octets come out.
//
// The engine owns the protocol: grammar, order of commands, pipelining, limits, the form of
// replies. The caller owns policy: it is asked by events, and answers with a Reply or accepts.
//
//   engine.Receive(bytes);
//   for (;;) {
//     ServerEvent event = engine.Next();
//     if (std::holds_alternative<event::NeedInput>(event)) break;   // write output, read more
//     if (auto* mail = std::get_if<event::Mail>(&event)) {
//       if (policy.Allows(*mail)) engine.Accept(); else engine.Answer(kSenderMismatch);
//     } …
//   }
//   Write(engine.TakeOutput());
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_SERVER_ENGINE_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_SERVER_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/capabilities.h"
#include "services/common/smtp/command.h"
#include "services/common/smtp/content_receiver.h"
#include "services/common/smtp/header_scan.h"
#include "services/common/smtp/line_buffer.h"
#include "services/common/smtp/parameters.h"
#include "services/common/smtp/received.h"
#include "services/common/smtp/reply.h"
#include "services/common/smtp/server_options.h"

namespace turnpike::smtp {

// What Next() returns. "Question" means: call Accept, Answer or what is named there, before Next.
namespace event {

// All input is used up. Write the output, then Receive more.
struct NeedInput {};

// Question, always the first event. Accept greets with 220. A 5xx refuses the session, which then
// takes only QUIT [RFC5321 3.1]; a 421 ends it.
struct Connected {};

// Question: HELO or EHLO. Accept composes the reply; MutableOffered may be changed before.
struct Hello {
  std::string name;
  bool is_extended = false;
};

// Question. Its size and form are checked, and that it may come now. 2xx begins the transaction.
struct Mail {
  Path path;
  MailParameters parameters;
};

// Question. 2xx adds the recipient.
struct Rcpt {
  Path path;
  RcptParameters parameters;
};

// Question: content comes next. AcceptContent takes it; Answer refuses the message (DATA is
// answered so; chunks of BDAT are swallowed).
struct ContentStart {
  bool is_chunked = false;  // by BDAT
};

// The sink holds at least content_chunk_bytes. No answer; take them or leave them.
struct ContentChunk {};

// The content is refused by the engine, and nothing more comes of it: drop what there is. The rest
// is swallowed and `reply` given when its time comes. No answer.
struct ContentRefused {
  Reply reply;
};

// Question: the whole message is in the sink. 2xx says that responsibility for it is taken: only
// when it is durable (PL-3). Any answer ends the transaction.
struct EndOfContent {
  uint64_t content_bytes = 0;
  HeaderFacts facts;
};

// A transaction that had begun is gone (RSET, EHLO, a lost BDAT): drop its envelope and content.
// Not sent after EndOfContent. No answer.
struct TransactionReset {};

// Question: Challenge to go on, Answer or Accept to end the exchange. 2xx authenticates the
// session.
struct AuthStart {
  std::string mechanism;                        // one of the offered
  std::optional<std::string> initial_response;  // decoded
};
struct AuthResponse {
  std::string response;  // decoded
};

// The client ended the exchange (`*`), or sent what is no response. Already answered.
struct AuthCancelled {};

// Question: AUTH where none is offered, if so asked for. Answer with kUnknownCommand, or with 421.
struct UnofferedAuth {};

// Question. After Accept: write the output, shake hands, then OnTlsStarted or give up the
// connection. What the client had sent after the command is discarded [RFC3207 4.2].
struct StartTls {};

// Question; the reply is cut to one line.
struct Etrn {
  EtrnCommand command;
};

// Question; the session is authenticated; the reply is cut to one line. After a 250 the next event
// is Turned.
struct Atrn {
  AtrnCommand command;
};

// The roles have turned: write the output, then speak as a client. What the client had sent after
// ATRN is discarded. The engine has ended.
struct Turned {};

// Write the output and close. The engine has ended.
struct Close {
  enum class Reason {
    kQuit,
    kAnswer,  // the caller answered 421, or called Terminate or Drain
    kTooManyErrors,
    kTooManyRefusals,
    kTooManyIdleCommands,
    kTooManyChunks,
    kTooManyAuthFailures,
    kBareNewline,   // in a command or in content
    kBadChunkSize,  // a BDAT whose end cannot be known
  };
  Reason reason = Reason::kQuit;
};

}  // namespace event

using ServerEvent =
    std::variant<event::NeedInput, event::Connected, event::Hello, event::Mail, event::Rcpt,
                 event::ContentStart, event::ContentChunk, event::ContentRefused,
                 event::EndOfContent, event::TransactionReset, event::AuthStart,
                 event::AuthResponse, event::AuthCancelled, event::UnofferedAuth, event::StartTls,
                 event::Etrn, event::Atrn, event::Turned, event::Close>;

// Thread safety: strand-confined.
class ServerEngine {
 public:
  struct Start {
    bool is_tls = false;            // implicit TLS is on
    bool is_authenticated = false;  // by the transport, or because we asked for this mail (DQ-50)
  };

  explicit ServerEngine(std::shared_ptr<const ServerOptions> options)
      : ServerEngine(std::move(options), Start()) {}
  ServerEngine(std::shared_ptr<const ServerOptions> options, Start start);
  ~ServerEngine();
  ServerEngine(const ServerEngine&) = delete;
  ServerEngine& operator=(const ServerEngine&) = delete;

  // Gives input, cut anywhere. `bytes` must stay as they are until Next returns NeedInput, Turned
  // or Close, or OnTlsStarted is called.
  void Receive(absl::string_view bytes);

  // Goes on until there is something for the caller. Not while a question is open.
  ServerEvent Next();

  // Answers the open question. A 421 ends the session after it. A negative answer to Connected,
  // Hello, Mail, … leaves the state as it was.
  void Answer(const Reply& reply) { Resolve(reply.view()); }

  // Answers the open question with its ordinary positive reply.
  void Accept();

  // Answers ContentStart: content is appended to `*sink` until EndOfContent, ContentRefused,
  // TransactionReset or Close; it must live until then. The caller may empty it between two calls
  // of Next.
  void AcceptContent(std::string* sink);

  // While content comes in (not as an answer): refuse it with `reply` at its end. Nothing more is
  // appended, no ContentRefused follows.
  void RefuseContent(const Reply& reply);

  // Answers AuthStart or AuthResponse: 334 with `challenge`, which is encoded here.
  void Challenge(absl::string_view challenge);

  // `options`: what holds from here on; null: the same as before. Its limits do not differ.
  void OnTlsStarted(std::shared_ptr<const ServerOptions> options = nullptr);

  // The session's EHLO reply, before it is composed. What STARTTLS and AUTH depend on is set anew
  // by each EHLO, after the event.
  Capabilities& MutableOffered() { return offered_; }

  // Ends the session with 421 (timeout, limits). An open question is dropped.
  void Terminate(const Reply& reply);

  // Ends the session with `reply`, at once if no transaction is under way, else after it. (PL-7)
  void Drain(const Reply& reply);

  // Replies not yet written, of any number of commands: write them when Next returns NeedInput,
  // Turned, Close, and before a handshake. May be written earlier.
  absl::string_view output() const { return output_; }
  void ClearOutput() { output_.clear(); }
  std::string TakeOutput();

  // Facts of the session.
  const std::string& hello_name() const { return hello_name_; }  // empty before HELO or EHLO
  bool is_tls() const { return is_tls_; }
  bool is_authenticated() const { return is_authenticated_; }
  bool is_in_transaction() const { return transaction_.has_value(); }
  bool is_receiving_content() const { return content_.has_value(); }
  uint32_t recipient_count() const;  // accepted in this transaction
  TransmissionType transmission_type() const;
  uint32_t error_count() const { return error_count_; }

 private:
  enum class Question {
    kNone,
    kConnected,
    kHello,
    kMail,
    kRcpt,
    kContentStart,
    kEndOfContent,
    kAuth,
    kUnofferedAuth,
    kStartTls,
    kEtrn,
    kAtrn,
  };
  enum class Phase {
    kNew,
    kRefused,
    kCommands,
    kAuthExchange,
    kContent,
    kTlsHandshake,
    kTurned,
    kClosed
  };
  struct Transaction {
    bool is_smtp_utf8 = false;
    bool is_binary = false;
    uint32_t recipient_count = 0;
    uint32_t chunk_count = 0;  // BDAT commands; no DATA may follow one
  };

  // Each does one step and returns what the caller must be told, if anything.
  using MaybeEvent = std::optional<ServerEvent>;
  MaybeEvent Step();
  MaybeEvent HandleLine();
  MaybeEvent HandleCommand(absl::string_view line);
  MaybeEvent HandleHello(absl::string_view argument, bool is_extended);
  MaybeEvent HandleMail(absl::string_view argument);
  MaybeEvent HandleRcpt(absl::string_view argument);
  MaybeEvent HandleData(absl::string_view argument);
  MaybeEvent HandleBdat(absl::string_view argument);
  MaybeEvent RefuseBdat(absl::string_view argument, const ReplyCode& refusal);
  MaybeEvent HandleRset(absl::string_view argument);
  MaybeEvent HandleVrfy(absl::string_view argument);
  MaybeEvent HandleQuit(absl::string_view argument);
  MaybeEvent HandleStartTls(absl::string_view argument);
  MaybeEvent HandleAuth(absl::string_view argument);
  MaybeEvent HandleAuthLine(absl::string_view line);
  MaybeEvent HandleEtrn(absl::string_view argument);
  MaybeEvent HandleAtrn(absl::string_view argument);
  MaybeEvent HandleContent();
  MaybeEvent HandleEndOfMessage();
  MaybeEvent HandleEndOfChunk();

  // Null if `verb` exists on this listener and may be used with the TLS and AUTH there is; its
  // place in the order of commands is another matter.
  const ReplyCode* FindRefusal(Verb verb) const;
  bool IsOdmrVerb(Verb verb) const;
  size_t LineBytesMax(Verb verb) const;
  void ResetOffer();
  const Capabilities& ParameterOffer() const;

  MaybeEvent Error(const ReplyCode& reply);  // a command refused for form or order
  MaybeEvent Idle(const ReplyCode& reply);   // a command that brings no mail
  bool CountIdle();                          // false: that was one too many
  MaybeEvent CancelAuth(const ReplyCode& reply);
  MaybeEvent Ask(Question question, ServerEvent event);
  void Resolve(const ReplyCode& reply);  // Answer, without a copy of the reply
  void CountRefusal(const ReplyCode& reply);
  void Say(const ReplyCode& reply) { reply.AppendTo(&output_); }
  void SayHello();
  void BeginContent(std::string* sink);
  void SwallowChunk(const Reply& refusal);
  void ResolveAuth(const ReplyCode& reply);
  void ResolveContentStart(const ReplyCode& reply);
  void EndTransaction();
  void Finish(event::Close::Reason reason);

  std::shared_ptr<const ServerOptions> options_;
  LineBuffer input_;
  std::string output_;
  Phase phase_ = Phase::kNew;
  Question question_ = Question::kNone;
  event::Close::Reason close_reason_ = event::Close::Reason::kQuit;
  std::optional<Reply> drain_reply_;
  MaybeEvent deferred_hello_;  // after TransactionReset

  Capabilities offered_;  // on this session, as it is now
  std::string hello_name_;
  std::string pending_hello_name_;  // while Hello is asked
  bool is_extended_ = false;
  bool pending_is_extended_ = false;
  bool is_tls_;
  bool is_authenticated_;

  std::optional<Transaction> transaction_;
  std::optional<Transaction> pending_transaction_;  // while Mail is asked
  std::optional<ContentReceiver> content_;
  std::string* sink_ = nullptr;
  std::string no_sink_;             // stays empty: where refused content does not go
  bool is_refusal_told_ = false;    // the caller knows that this content is refused
  bool is_content_at_end_ = false;  // of data or of the chunk
  BdatCommand chunk_;               // the one that comes in
  bool is_orphan_chunk_ = false;    // it belongs to no message
  Phase phase_after_chunk_ = Phase::kCommands;

  uint32_t error_count_ = 0;
  uint32_t refusal_count_ = 0;
  uint32_t idle_command_count_ = 0;
  uint32_t auth_failure_count_ = 0;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_SERVER_ENGINE_H_
