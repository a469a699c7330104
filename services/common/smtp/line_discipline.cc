#include "services/common/smtp/line_discipline.h"

#include <algorithm>

namespace turnpike::smtp {

LineDiscipline::Violation LineDiscipline::Feed(absl::string_view bytes) {
  if (violation_ != Violation::kNone || bytes.empty()) return violation_;
  // Up to `good_bytes` the lines are in order; then NUL is looked for in one pass over them.
  size_t good_bytes = bytes.size();
  const auto violate = [&](Violation violation, size_t offset) {
    violation_ = violation;
    good_bytes = offset;
  };

  size_t begin = 0;
  if (ends_in_cr_) {
    if (bytes.front() != '\n') {
      violate(Violation::kBareNewline, 0);
    } else {
      begin = 1;
      line_bytes_ = 0;
    }
    ends_in_cr_ = false;
  }
  while (violation_ == Violation::kNone && begin < bytes.size()) {
    const size_t lf = bytes.find('\n', begin);
    const bool has_lf = lf != absl::string_view::npos;
    const absl::string_view line = bytes.substr(begin, has_lf ? lf - begin : lf);
    const size_t text_bytes = std::min(line.find('\r'), line.size());
    const size_t line_bytes = line_bytes_ + text_bytes;
    // A CR is good at the end of what there is of the line, and a LF is good after it.
    const bool has_cr = text_bytes < line.size();
    if (line_bytes > line_bytes_max_) {
      violate(Violation::kLineTooLong, begin + line_bytes_max_ - line_bytes_);
    } else if (has_cr ? text_bytes + 1 != line.size() : has_lf) {
      violate(Violation::kBareNewline, begin + text_bytes);
    } else if (has_lf) {
      line_bytes_ = 0;
      begin = lf + 1;
    } else {
      line_bytes_ = line_bytes;
      ends_in_cr_ = has_cr;
      begin = bytes.size();
    }
  }
  if (bytes.substr(0, good_bytes).find('\0') != absl::string_view::npos) {
    violation_ = Violation::kNul;
  }
  return violation_;
}

LineDiscipline::Violation LineDiscipline::Finish() {
  if (violation_ == Violation::kNone && ends_in_cr_) violation_ = Violation::kBareNewline;
  return violation_;
}

}  // namespace turnpike::smtp
