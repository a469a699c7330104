// Reads the replies of a peer that may be broken or hostile, one at a time.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_REPLY_PARSER_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_REPLY_PARSER_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/smtp/reply.h"

namespace turnpike::smtp {

// Thread safety: thread-compatible.
class ReplyParser {
 public:
  struct Limits {
    size_t line_bytes_max = 1024;        // with CRLF; [RFC5321 4.5.3.1.5] says 512
    size_t reply_bytes_max = 64 * 1024;  // all lines of one reply
    size_t line_count_max = 1024;        // lines of one reply
  };
  enum class Result {
    kNeedMore,       // all input is consumed, the reply is not complete
    kReply,          // TakeReply() has it; input after the reply is left where it is
    kProtocolError,  // error() says why; nothing more can be read from this peer
  };

  ReplyParser() : ReplyParser(Limits()) {}
  explicit ReplyParser(Limits limits) : limits_(limits) {}

  // Consumes from `*input` up to the end of one reply. Lines end in CR LF; a bare LF, a code that
  // changes within a reply, a code outside 200..599 and a limit are protocol errors. Control
  // characters and octets above 0x7e in the text become `?`. The enhanced code is taken from the
  // first line, if it belongs to the reply's class, and removed from all lines.
  Result Parse(absl::string_view* input);

  // The reply that Parse reported, once.
  Reply TakeReply();

  absl::string_view error() const { return error_; }

  // True if a part of a reply has been read.
  bool is_inside_reply() const { return !line_.empty() || line_count_ > 0; }

 private:
  Result ConsumeLine(absl::string_view line);
  Result Fail(absl::string_view why);
  void AddText(absl::string_view text);

  Limits limits_;
  std::string line_;  // the beginning of a line whose end has not come
  std::string text_;  // of the lines read so far
  size_t reply_bytes_ = 0;
  size_t line_count_ = 0;
  int code_ = 0;
  EnhancedCode enhanced_;
  absl::string_view error_;  // a literal
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_REPLY_PARSER_H_
