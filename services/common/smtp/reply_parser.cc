#include "services/common/smtp/reply_parser.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace turnpike::smtp {

ReplyParser::Result ReplyParser::Parse(absl::string_view* input) {
  while (!input->empty()) {
    if (!error_.empty()) return Result::kProtocolError;
    const size_t lf = input->find('\n');
    const absl::string_view piece = input->substr(0, lf == absl::string_view::npos ? lf : lf + 1);
    if (line_.size() + piece.size() > limits_.line_bytes_max) return Fail("reply line is too long");
    input->remove_prefix(piece.size());
    if (lf == absl::string_view::npos) {
      line_.append(piece.data(), piece.size());
      return Result::kNeedMore;
    }
    absl::string_view line = piece;
    if (!line_.empty()) {
      line_.append(piece.data(), piece.size());
      line = line_;
    }
    if (!absl::ConsumeSuffix(&line, "\r\n")) return Fail("reply line ends in a bare LF");
    const Result result = ConsumeLine(line);
    line_.clear();
    if (result != Result::kNeedMore) return result;
  }
  return error_.empty() ? Result::kNeedMore : Result::kProtocolError;
}

// `line` is without CRLF: three digits, then the end, a space or a hyphen. [RFC5321 4.2]
ReplyParser::Result ReplyParser::ConsumeLine(absl::string_view line) {
  reply_bytes_ += line.size() + 2;
  if (reply_bytes_ > limits_.reply_bytes_max || ++line_count_ > limits_.line_count_max) {
    return Fail("reply is too long");
  }
  int code = 0;
  for (size_t i = 0; i < 3; ++i) {
    if (i >= line.size() || !absl::ascii_isdigit(line[i])) return Fail("reply has no code");
    code = code * 10 + (line[i] - '0');
  }
  if (code < 200 || code > 599) return Fail("reply code is out of range");
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return Fail("reply has no code");
  if (line_count_ > 1 && code != code_) return Fail("reply changes its code");
  code_ = code;
  const bool is_last = line.size() == 3 || line[3] == ' ';
  AddText(line.substr(line.size() == 3 ? 3 : 4));
  return is_last ? Result::kReply : Result::kNeedMore;
}

void ReplyParser::AddText(absl::string_view text) {
  const absl::string_view word = text.substr(0, text.find(' '));
  // The longest is 5.999.999.
  if (const std::optional<EnhancedCode> enhanced = EnhancedCode::Parse(word.substr(0, 10));
      enhanced && enhanced->kind == code_ / 100) {
    if (line_count_ == 1) enhanced_ = *enhanced;
    if (*enhanced == enhanced_) {
      text.remove_prefix(word.size());
      absl::ConsumePrefix(&text, " ");
    }
  }
  if (line_count_ > 1) text_ += '\n';
  for (char c : text) text_ += (c < ' ' || c > '~') ? '?' : c;
}

Reply ReplyParser::TakeReply() {
  Reply reply(static_cast<uint16_t>(code_), enhanced_, std::move(text_));
  text_.clear();
  enhanced_ = EnhancedCode();
  reply_bytes_ = 0;
  line_count_ = 0;
  code_ = 0;
  return reply;
}

ReplyParser::Result ReplyParser::Fail(absl::string_view why) {
  error_ = why;
  return Result::kProtocolError;
}

}  // namespace turnpike::smtp
