// From the octets that follow DATA to the message's content.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_DATA_DECODER_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_DATA_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/smtp/line_discipline.h"

namespace turnpike::smtp {

// The end of data is CR LF . CR LF and nothing else, whatever else went wrong before: a message
// that is refused is swallowed up to the same end as one that is taken, or what follows would be
// read as commands. [RFC5321 4.1.1.4, 4.5.2]
//
// Thread safety: thread-compatible. Cost: a few memchr passes; content is appended in spans as long
// as the input allows, interrupted only where a dot is removed.
class DataDecoder {
 public:
  struct Limits {
    uint64_t content_bytes_max = UINT64_MAX;  // after unstuffing
    // Without CRLF, before unstuffing. [RFC5321 4.5.3.1.6] says 998; real mail has longer lines.
    size_t line_bytes_max = 2048;
  };
  explicit DataDecoder(const Limits& limits)
      : content_bytes_max_(limits.content_bytes_max), discipline_(limits.line_bytes_max) {}

  // Consumes from `*input` up to the end of data, appending the content to `*content`. Returns true
  // when the end was reached; then `*input` holds what follows it. Once the content is worthless
  // nothing more is appended, and what was appended before is of no use.
  bool Decode(absl::string_view* input, std::string* content);

  // Goes on swallowing without appending; for a message that the caller refuses meanwhile.
  void Discard() { is_discarding_ = true; }

  LineDiscipline::Violation violation() const { return violation_; }
  bool is_too_big() const { return is_too_big_; }
  uint64_t content_bytes() const { return content_bytes_; }  // decoded so far

 private:
  // Where the octet before the next one leaves us. "Line" means one that CR LF began.
  enum class State { kLineStart, kDot, kDotCr, kText, kTextCr };

  void Append(absl::string_view span, std::string* content);

  const uint64_t content_bytes_max_;
  uint64_t content_bytes_ = 0;
  LineDiscipline discipline_;
  State state_ = State::kLineStart;
  LineDiscipline::Violation violation_ = LineDiscipline::Violation::kNone;
  bool is_too_big_ = false;
  bool is_discarding_ = false;  // worthless, for whatever reason
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_DATA_DECODER_H_
