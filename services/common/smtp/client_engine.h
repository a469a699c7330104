// The client's half of an SMTP or LMTP conversation, without I/O: octets go in, events and octets
// come out. Used for delivery, for the reversed half of an ATRN session, and for our own ETRN and
// ATRN requests.
//
//   ClientEngine engine({.host_name = "mx.example.org"});
//   for (;;) {
//     ClientEvent event = engine.Next();
//     NeedInput    write engine.output(), read, engine.Receive(bytes); at EOF
//     engine.OnDisconnected() Ready        engine.StartTls(), engine.Authenticate(…),
//     engine.Send(message), engine.Quit() NeedContent  engine.SendContent(piece, is_last)
//     MessageDone  one outcome per recipient; engine.Send(the next) or engine.Quit()
//     Closed       write engine.output(), close
//   }
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_ENGINE_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/smtp/capabilities.h"
#include "services/common/smtp/data_encoder.h"
#include "services/common/smtp/domain_name.h"
#include "services/common/smtp/outgoing_message.h"
#include "services/common/smtp/reply.h"
#include "services/common/smtp/reply_parser.h"

namespace turnpike::smtp {

struct ClientOptions {
  std::string host_name;  // ours, for EHLO
  bool is_lmtp = false;   // [RFC2033]
  // The connection was opened by the peer and turned by ATRN: no STARTTLS, as the TLS in force
  // stays.
  bool is_reversed = false;
  bool use_pipelining = true;           // where offered
  bool use_chunking = true;             // where offered; BODY=BINARYMIME needs it
  size_t pipelined_commands_max = 100;  // commands on the way without a reply
  ReplyParser::Limits reply_limits;
};

namespace client_event {

// Write the output, then read and Receive.
struct NeedInput {};

// The peer has greeted and answered EHLO; again after STARTTLS. capabilities() are known.
struct Ready {};

// STARTTLS was accepted: shake hands, then OnTlsStarted, or OnDisconnected.
struct StartTls {};
// STARTTLS was refused. The session can go on in clear, if the caller's policy allows.
struct StartTlsRefused {
  Reply reply;
};

// AUTH: call AuthRespond or AuthCancel.
struct AuthChallenge {
  std::string challenge;  // decoded
};
struct AuthDone {
  Reply reply;  // 2xx: authenticated
};

// Call SendContent with the next octets of the message, or AbortContent. Write the output meanwhile
// whenever it has grown enough.
struct NeedContent {
  uint64_t message = 0;
};

// All but the end of data is sent: ReleaseEndOfData when it may go. Told once.
struct EndOfDataHeld {
  uint64_t message = 0;
};

// The fate of every recipient, in the order given. Messages end in the order they began.
struct MessageDone {
  uint64_t message = 0;
  std::vector<RecipientOutcome> outcomes;
};

struct EtrnDone {
  Reply reply;
};
// 250: the roles have turned and the engine has ended; go on with a ServerEngine.
struct AtrnDone {
  Reply reply;
};

// The session is over; close the connection after writing the output. All messages are done before.
struct Closed {
  enum class Reason {
    kQuit,               // after QUIT
    kRefused,            // the greeting, or EHLO and HELO, were answered 4xx or 5xx
    kServiceClosing,     // 421
    kProtocolError,      // the peer does not speak SMTP
    kDisconnected,       // OnDisconnected
    kAborted,            // AbortContent
    kUnsendableContent,  // bare CR, bare LF or NUL where DATA must be used
  };
  Reason reason = Reason::kQuit;
  Reply reply;  // the peer's last words, or ours
};

}  // namespace client_event

using ClientEvent =
    std::variant<client_event::NeedInput, client_event::Ready, client_event::StartTls,
                 client_event::StartTlsRefused, client_event::AuthChallenge, client_event::AuthDone,
                 client_event::NeedContent, client_event::EndOfDataHeld, client_event::MessageDone,
                 client_event::EtrnDone, client_event::AtrnDone, client_event::Closed>;

// Thread safety: strand-confined.
class ClientEngine {
 public:
  // What the peer's next reply answers; tells the caller how long to wait [RFC5321 4.5.3.2].
  enum class Waiting {
    kNothing,
    kGreeting,
    kHello,
    kStartTls,
    kAuth,
    kMail,
    kRecipient,
    kDataStart,
    kChunk,
    kEndOfData,
    kReset,
    kQuit,
    kEtrn,
    kAtrn,
  };

  explicit ClientEngine(ClientOptions options);
  ~ClientEngine();
  ClientEngine(const ClientEngine&) = delete;
  ClientEngine& operator=(const ClientEngine&) = delete;

  // Gives input, cut anywhere; copied as far as it is not used at once.
  void Receive(absl::string_view bytes);

  // The peer has closed, the connection is broken, or the caller's time is up (`why` is for the
  // outcome's text, e.g. kTimeout): Next returns the messages' outcomes, then Closed.
  void OnDisconnected(const Reply& why);

  ClientEvent Next();

  // --- Between messages, after Ready ---

  void StartTls();      // capabilities().start_tls, and not is_reversed
  void OnTlsStarted();  // EHLO is said again; nothing heard before is kept [RFC3207 4.2]

  // `initial_response` only if the mechanism begins with the client; it may be empty.
  void Authenticate(absl::string_view mechanism, std::optional<absl::string_view> initial_response);
  void AuthRespond(absl::string_view response);
  void AuthCancel();

  void Etrn(absl::string_view argument);              // `example.org`, `@example.org`, `#queue`
  void Atrn(const std::vector<DomainName>& domains);  // empty: all of the login

  void Quit();

  // --- Messages ---

  // Whether Send may be called: Ready came and no message is before its end of data. With
  // PIPELINING one message may be under way behind that whose answer is awaited.
  bool can_send() const;

  // Begins a message; its number is given with its events.
  uint64_t Send(OutgoingMessage message);

  // Answers NeedContent: the next octets, in pieces of any size; the last may be empty. Each is
  // encoded to the output at once. As a chunk (BDAT) each piece is one, so larger ones cost less.
  void SendContent(absl::string_view piece, bool is_last);

  // The content cannot be had: the session ends without an end of data, as there is no other way,
  // when the message ahead has been answered. The message's recipients get `why`.
  void AbortContent(const Reply& why);

  // Lets the end of data of `message` go, now or when its content is all sent. Idempotent.
  void ReleaseEndOfData(uint64_t message);

  // --- Facts ---

  // What the peer offers, less what the options rule out.
  const Capabilities& capabilities() const { return capabilities_; }
  const Reply& greeting() const { return greeting_; }
  bool is_extended() const { return is_extended_; }  // EHLO or LHLO, not HELO
  Waiting waiting() const;

  absl::string_view output() const { return output_; }
  void ClearOutput() { output_.clear(); }
  std::string TakeOutput();

 private:
  struct Message;
  struct Expected {
    Waiting what = Waiting::kNothing;
    Message* message = nullptr;  // whose reply this is, if a message's; lives until all are in
    size_t recipient = 0;
  };
  enum class Phase { kOpening, kReady, kTlsHandshake, kQuitting, kTurned, kEnded };

  // Reads one reply from the input and acts on it. False if there is none.
  bool HandleInput();
  void HandleReply(const Reply& reply);
  void HandleGreeting(const Reply& reply);
  void HandleHello(const Reply& reply);
  void HandleStartTls(const Reply& reply);
  void HandleAuth(const Reply& reply);
  void HandleAtrn(const Reply& reply);
  void HandleMessageReply(const Expected& expected, const Reply& reply);
  void HandleMail(Message& message, const Reply& reply);
  void HandleRecipient(Message& message, size_t recipient, const Reply& reply);
  void HandleDataStart(Message& message, const Reply& reply);
  void HandleChunk(Message& message, const Reply& reply);
  void HandleEndOfData(Message& message, size_t recipient, const Reply& reply);

  void SayHello();
  void SendCommand(absl::string_view line, Expected expected);
  // Sends the commands that may go now. PumpStep sends one; false: none.
  void Pump();
  bool PumpStep(Message& message);
  bool PumpData(Message& message);
  bool IsContentWanted() const;
  void SendChunk(Message& message, absl::string_view piece, bool is_last);
  void HoldOrSendEndOfData(Message& message);
  void SendEndOfData(Message& message);
  void ExpectEndOfData(Message& message);
  void AbortMessage(Message& message, client_event::Closed::Reason reason, const Reply& why);
  void FinishAbort();
  void ReportEndedMessages();
  void EndSession(client_event::Closed::Reason reason, const Reply& reply, bool is_from_peer);
  void ProtocolError(absl::string_view why);
  size_t pipelined_commands_max() const;
  Message* sending();  // the message before its end of data; null if there is none
  const Message* sending() const;

  const ClientOptions options_;
  ReplyParser parser_;
  std::string input_;
  size_t input_used_ = 0;
  std::string output_;
  std::deque<ClientEvent> events_;                 // decided, not yet taken
  std::deque<Expected> expected_;                  // what the next replies answer
  std::deque<std::unique_ptr<Message>> messages_;  // in the order they began
  uint64_t next_message_ = 1;

  Phase phase_ = Phase::kOpening;
  bool is_hello_fallback_ = false;  // HELO was said
  bool needs_reset_ = false;        // the peer has a transaction open that will not be ended
  bool is_extended_ = false;
  Capabilities capabilities_;
  Reply greeting_;
  std::optional<client_event::Closed> abort_;  // how the session ends when its time has come
  client_event::Closed closed_;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_ENGINE_H_
