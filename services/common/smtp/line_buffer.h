// Received octets that are not consumed yet, and the command lines among them.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_LINE_BUFFER_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_LINE_BUFFER_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::smtp {

// Borrows what it is given for as long as it can, so that content is not copied on its way through.
//
// Thread safety: thread-compatible.
class LineBuffer {
 public:
  enum class Result {
    kNeedMore,     // no whole line yet
    kLine,         // a good line
    kTooLong,      // a line of more than `line_bytes_max`; it is gone
    kBareNewline,  // a line with a CR or LF that is no part of its CRLF; it is gone
    kNul,          // a line with NUL; it is gone
  };

  // `line_bytes_max` counts with CRLF. Longer lines are swallowed without being kept.
  explicit LineBuffer(size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}
  LineBuffer(const LineBuffer&) = delete;
  LineBuffer& operator=(const LineBuffer&) = delete;

  // Adds input. `bytes` must stay as they are until Keep or the next Add.
  void Add(absl::string_view bytes);

  // Copies what is still borrowed, so that the caller can reuse its buffer.
  void Keep();

  // Removes one line. `*line` is without CRLF and valid until the next call of any function here.
  Result NextLine(absl::string_view* line);

  // What is not consumed; may be shortened from the front by the reader of content.
  absl::string_view* rest() { return &rest_; }

  void Clear();

 private:
  const size_t line_bytes_max_;
  absl::string_view rest_;  // points into kept_, or into what was last added
  std::string kept_;
  bool is_kept_ = false;        // rest_ points into kept_
  size_t scanned_bytes_ = 0;    // of rest_, known to hold no LF
  bool is_discarding_ = false;  // inside of a line that is too long
  bool discarded_cr_ = false;   // its last octet so far was CR
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_LINE_BUFFER_H_
