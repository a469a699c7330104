#include "services/common/smtp/data_decoder.h"

#include "services/common/smtp/byte_scan.h"

namespace turnpike::smtp {

bool DataDecoder::Decode(absl::string_view* input, std::string* content) {
  const absl::string_view raw = *input;
  size_t next = 0;        // the first octet not looked at
  size_t span_begin = 0;  // the first octet of content not appended
  bool is_end = false;
  while (next < raw.size() && !is_end) {
    switch (state_) {
      case State::kLineStart:
        state_ = State::kText;
        if (raw[next] == '.') {
          Append(raw.substr(span_begin, next - span_begin), content);
          span_begin = ++next;
          state_ = State::kDot;
        }
        break;
      case State::kDot:
        span_begin = next;
        state_ = State::kText;
        if (raw[next] == '\r') {
          ++next;
          state_ = State::kDotCr;
        }
        break;
      case State::kDotCr:
        // Anything but LF makes the CR a bare one, and the content worthless.
        state_ = State::kText;
        if (raw[next] == '\n') {
          span_begin = ++next;
          is_end = true;
        }
        break;
      case State::kText: {
        // Only a dot behind a line's end can matter, or what the next input makes of this one's
        // end.
        const size_t lf_dot = FindLfDot(raw, next);
        const size_t lf = lf_dot == absl::string_view::npos ? raw.size() - 1 : lf_dot;
        const bool has_cr = raw[lf] == '\n' && lf > next && raw[lf - 1] == '\r';
        state_ = has_cr ? State::kLineStart : raw[lf] == '\r' ? State::kTextCr : State::kText;
        next = lf + 1;
        break;
      }
      case State::kTextCr:
        state_ = State::kText;
        if (raw[next] == '\n') {
          ++next;
          state_ = State::kLineStart;
        }
        break;
    }
  }
  // A CR after a dot is held back: it is the end of data's, or a bare one.
  if (state_ != State::kDotCr && !is_end)
    Append(raw.substr(span_begin, next - span_begin), content);
  if (!is_discarding_) {
    violation_ = discipline_.Feed(raw.substr(0, next));
    if (violation_ != LineDiscipline::Violation::kNone) Discard();
  }
  input->remove_prefix(next);
  return is_end;
}

void DataDecoder::Append(absl::string_view span, std::string* content) {
  if (is_discarding_) return;
  if (span.size() > content_bytes_max_ - content_bytes_) {
    is_too_big_ = true;
    Discard();
    return;
  }
  content_bytes_ += span.size();
  content->append(span.data(), span.size());
}

}  // namespace turnpike::smtp
