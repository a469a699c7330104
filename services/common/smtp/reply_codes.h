// Every reply that Turnpike gives, by name. Handlers use these names, never numerals. The texts are
// what the peer reads: general, and the same for causes that a peer must not tell apart.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_REPLY_CODES_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_REPLY_CODES_H_

#include "services/common/smtp/reply.h"

namespace turnpike::smtp {

// 2xx, 3xx
inline constexpr ReplyCode kHelpText{214, {2, 0, 0}, "See https://www.rfc-editor.org/rfc/rfc5321"};
inline constexpr ReplyCode kGreeting{220, {}, "ESMTP Turnpike"};  // the host name goes before it
inline constexpr ReplyCode kReadyForTls{220, {2, 0, 0}, "Ready to start TLS"};  // [RFC3207 4]
inline constexpr ReplyCode kGoodbye{221, {2, 0, 0}, "Bye"};
inline constexpr ReplyCode kAuthenticated{235, {2, 7, 0}, "Authentication successful"};
inline constexpr ReplyCode kHello{250, {}, ""};  // HELO and EHLO carry no enhanced code
inline constexpr ReplyCode kOk{250, {2, 0, 0}, "OK"};
inline constexpr ReplyCode kSenderOk{250, {2, 1, 0}, "Sender OK"};
inline constexpr ReplyCode kRecipientOk{250, {2, 1, 5}, "Recipient OK"};
inline constexpr ReplyCode kChunkOk{250, {2, 0, 0}, "Chunk received"};  // [RFC3030 2]
inline constexpr ReplyCode kMessageAccepted{250, {2, 0, 0}, "Message accepted"};
inline constexpr ReplyCode kReversing{250, {2, 0, 0}, "OK now reversing the connection"};
inline constexpr ReplyCode kCannotVerify{252, {2, 5, 2}, "Send some mail and see"};
inline constexpr ReplyCode kChallenge{334, {}, ""};
inline constexpr ReplyCode kStartMailInput{354, {}, "End data with <CR><LF>.<CR><LF>"};

// ETRN [RFC1985 5.1]
inline constexpr ReplyCode kQueuingStarted{250, {2, 0, 0}, "Queuing started"};
inline constexpr ReplyCode kNoMessagesWaiting{251, {2, 0, 0}, "No messages waiting"};
inline constexpr ReplyCode kPendingStarted{252, {2, 0, 0}, "Pending messages started"};
inline constexpr ReplyCode kPendingCountStarted{253, {2, 0, 0}, "Pending messages started"};
inline constexpr ReplyCode kUnableToQueue{458, {4, 3, 0}, "Unable to queue messages"};
inline constexpr ReplyCode kNodeNotAllowed{459, {4, 7, 1}, "Node not allowed"};

// ATRN [RFC2645 5.2.1]
inline constexpr ReplyCode kAtrnRefused{450, {4, 7, 1}, "ATRN request refused"};
inline constexpr ReplyCode kAtrnUnavailable{451, {4, 3, 0}, "Unable to process ATRN request now"};
inline constexpr ReplyCode kYouHaveNoMail{453, {4, 0, 0}, "You have no mail"};

// 4xx
inline constexpr ReplyCode kShuttingDown{421, {4, 3, 2}, "Service shutting down"};
inline constexpr ReplyCode kTimeout{421, {4, 4, 2}, "Timeout"};
inline constexpr ReplyCode kTooManyErrors{421, {4, 7, 0}, "Too many errors"};
inline constexpr ReplyCode kTooManyCommands{421, {4, 7, 0}, "Too many commands without mail"};
inline constexpr ReplyCode kTooManyAuthFailures{421, {4, 7, 0}, "Too many failed authentications"};
inline constexpr ReplyCode kTooManyConnections{421, {4, 7, 0}, "Too many connections"};
inline constexpr ReplyCode kScreened{421, {4, 7, 0}, "Connection refused"};
inline constexpr ReplyCode kMailboxFull{452, {4, 2, 2}, "Mailbox full"};
inline constexpr ReplyCode kTemporaryFailure{451, {4, 3, 0}, "Temporary failure, try again later"};
inline constexpr ReplyCode kInsufficientStorage{452, {4, 3, 1}, "Insufficient storage"};
inline constexpr ReplyCode kTooManyRecipients{452, {4, 5, 3}, "Too many recipients"};
inline constexpr ReplyCode kTlsUnavailable{454, {4, 7, 0}, "TLS not available now"};
inline constexpr ReplyCode kAuthUnavailable{454, {4, 7, 0}, "Temporary authentication failure"};

// 5xx: grammar and order
inline constexpr ReplyCode kUnknownCommand{500, {5, 5, 1}, "Command not recognized"};
inline constexpr ReplyCode kMalformedLine{500, {5, 5, 2}, "Malformed command"};
inline constexpr ReplyCode kLineTooLong{500, {5, 5, 2}, "Line too long"};
inline constexpr ReplyCode kAuthLineTooLong{500, {5, 5, 6}, "Authentication line too long"};
inline constexpr ReplyCode kMissingArgument{500, {5, 5, 4}, "Argument missing"};  // [RFC1985 5.1]
inline constexpr ReplyCode kSyntaxError{501, {5, 5, 4}, "Syntax error in arguments"};
inline constexpr ReplyCode kBadBase64{501, {5, 5, 2}, "Cannot decode the response"};
inline constexpr ReplyCode kAuthCancelled{501, {5, 7, 0}, "Authentication cancelled"};
// [RFC4954 4] the server speaks first in this mechanism.
inline constexpr ReplyCode kNoInitialResponse{501, {5, 7, 0}, "No initial response allowed"};
inline constexpr ReplyCode kBadSenderSyntax{501, {5, 1, 7}, "Bad sender address syntax"};
inline constexpr ReplyCode kBadRecipientSyntax{501, {5, 1, 3}, "Bad recipient address syntax"};
inline constexpr ReplyCode kNotImplemented{502, {5, 5, 1}, "Command not implemented"};
inline constexpr ReplyCode kBadSequence{503, {5, 5, 1}, "Bad sequence of commands"};
inline constexpr ReplyCode kUnknownMechanism{
    504, {5, 5, 4}, "Authentication mechanism not offered"};
inline constexpr ReplyCode kBareNewline{521, {5, 5, 2}, "Lines must end in CR LF"};
inline constexpr ReplyCode kUnknownParameter{555, {5, 5, 4}, "Parameter not recognized"};

// 5xx: policy
inline constexpr ReplyCode kAuthRequired{530, {5, 7, 0}, "Authentication required"};
inline constexpr ReplyCode kStartTlsRequired{530, {5, 7, 0}, "Must issue a STARTTLS command first"};
inline constexpr ReplyCode kAuthFailed{535, {5, 7, 8}, "Authentication credentials invalid"};
inline constexpr ReplyCode kNoSuchUser{550, {5, 1, 1}, "No such user"};
inline constexpr ReplyCode kRelayDenied{550, {5, 7, 1}, "Relaying denied"};
inline constexpr ReplyCode kRequireTlsUnsupported{550, {5, 7, 30}, "REQUIRETLS support required"};
inline constexpr ReplyCode kFromHeaderMismatch{550, {5, 7, 1}, "From header not permitted"};
inline constexpr ReplyCode kSenderMismatch{553, {5, 7, 1}, "Sender not permitted"};
inline constexpr ReplyCode kMailboxLoginRequired{550, {5, 7, 1}, "Read mail by POP3 or IMAP first"};
// Two codes for one thing. [RFC6531 3.5]
inline constexpr ReplyCode kSenderNeedsSmtpUtf8{550, {5, 6, 7}, "Address needs SMTPUTF8"};
inline constexpr ReplyCode kNeedsSmtpUtf8{553, {5, 6, 7}, "Address needs SMTPUTF8"};
inline constexpr ReplyCode kBlocked{554, {5, 7, 1}, "Connection refused"};
inline constexpr ReplyCode kNoValidRecipients{554, {5, 5, 1}, "No valid recipients"};

// 5xx: content
inline constexpr ReplyCode kContentLineTooLong{500, {5, 6, 0}, "Message line too long"};
inline constexpr ReplyCode kContentBareNewline{550, {5, 5, 2}, "Message lines must end in CR LF"};
inline constexpr ReplyCode kContentNul{550, {5, 6, 0}, "Message holds NUL octets"};
inline constexpr ReplyCode kMessageTooBig{552, {5, 3, 4}, "Message size exceeds the limit"};
inline constexpr ReplyCode kHeaderTooBig{552, {5, 3, 4}, "Message header too big"};
inline constexpr ReplyCode kMailLoop{554, {5, 4, 6}, "Too many Received fields: mail loop"};
inline constexpr ReplyCode kConversionRequired{
    554, {5, 6, 3}, "Conversion required, not supported"};

// What the client side says of a peer in its outcomes; never on the wire.
inline constexpr ReplyCode kConnectionLost{421, {4, 4, 2}, "Connection lost"};
inline constexpr ReplyCode kPeerProtocolError{421, {4, 5, 0}, "The peer broke the protocol"};
inline constexpr ReplyCode kContentUnsendable{554, {5, 6, 0}, "Content has bare CR, LF or NUL"};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_REPLY_CODES_H_
