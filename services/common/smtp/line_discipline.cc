#include "services/common/smtp/line_discipline.h"

#include <algorithm>
#include <cstring>

#include "services/common/smtp/byte_scan.h"

namespace turnpike::smtp {
namespace {

// The last LF of `bytes`, npos if there is none.
size_t FindLastLf(absl::string_view bytes) {
  const void* lf = memrchr(bytes.data(), '\n', bytes.size());
  return lf == nullptr ? absl::string_view::npos
                       : static_cast<size_t>(static_cast<const char*>(lf) - bytes.data());
}

}  // namespace

LineDiscipline::Violation LineDiscipline::Feed(absl::string_view bytes) {
  if (violation_ != Violation::kNone || bytes.empty() || FeedClean(bytes)) return violation_;
  return FeedByLine(bytes);
}

bool LineDiscipline::FeedClean(absl::string_view bytes) {
  if (ends_in_cr_ != (bytes.front() == '\n') || !IsCleanText(bytes)) return false;
  // Lines are short enough if each LF is followed by another within reach: jump to the last that
  // is.
  size_t line_begin = 0;
  size_t line_bytes = line_bytes_;
  while (bytes.size() - line_begin > line_bytes_max_ - line_bytes) {
    const size_t reach = line_bytes_max_ - line_bytes + 2;
    const size_t lf = FindLastLf(bytes.substr(line_begin, reach));
    if (lf == absl::string_view::npos) return false;
    line_begin += lf + 1;
    line_bytes = 0;
  }
  const size_t last_lf = FindLastLf(bytes);
  const bool has_lf = last_lf != absl::string_view::npos;
  ends_in_cr_ = bytes.back() == '\r';
  line_bytes_ =
      (has_lf ? bytes.size() - last_lf - 1 : line_bytes_ + bytes.size()) - (ends_in_cr_ ? 1 : 0);
  return true;
}

LineDiscipline::Violation LineDiscipline::FeedByLine(absl::string_view bytes) {
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
