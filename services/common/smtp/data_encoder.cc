#include "services/common/smtp/data_encoder.h"

#include <cstddef>

#include "services/common/smtp/byte_scan.h"

namespace turnpike::smtp {

bool DataEncoder::Encode(absl::string_view piece, std::string* out) {
  bool is_line_start = discipline_.is_at_line_start();
  if (discipline_.Feed(piece) != LineDiscipline::Violation::kNone) return false;
  // From here on each LF is the end of a line.
  while (!piece.empty()) {
    if (is_line_start && piece.front() == '.') out->push_back('.');
    // The span goes on over all lines that need no dot.
    const size_t lf = FindLfDot(piece, 0);
    const size_t span = lf == absl::string_view::npos ? piece.size() : lf + 1;
    out->append(piece.data(), span);
    piece.remove_prefix(span);
    is_line_start = true;
  }
  return true;
}

bool DataEncoder::Finish(std::string* out) {
  if (discipline_.Finish() != LineDiscipline::Violation::kNone) return false;
  // [RFC5321 4.1.1.4] the end of data begins with the CRLF of the content's last line.
  if (!discipline_.is_at_line_start()) out->append("\r\n", 2);
  out->append(".\r\n", 3);
  return true;
}

}  // namespace turnpike::smtp
