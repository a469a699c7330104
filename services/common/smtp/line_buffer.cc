#include "services/common/smtp/line_buffer.h"

namespace turnpike::smtp {
namespace {

constexpr size_t kIdleCapacityMax = 1024;  // what an idle session may hold on to

}  // namespace

void LineBuffer::Add(absl::string_view bytes) {
  if (rest_.empty()) {
    rest_ = bytes;
    is_kept_ = false;
    return;
  }
  Keep();
  kept_.append(bytes.data(), bytes.size());
  rest_ = kept_;
}

void LineBuffer::Keep() {
  if (rest_.empty()) {
    if (kept_.capacity() > kIdleCapacityMax) kept_ = std::string();
  } else if (is_kept_) {
    kept_.erase(0, static_cast<size_t>(rest_.data() - kept_.data()));
    rest_ = kept_;
  } else {
    kept_.assign(rest_.data(), rest_.size());
    rest_ = kept_;
    is_kept_ = true;
  }
}

LineBuffer::Result LineBuffer::NextLine(absl::string_view* line) {
  const size_t lf = rest_.find('\n', scanned_bytes_);
  if (lf == absl::string_view::npos) {
    if (is_discarding_ || rest_.size() > line_bytes_max_) {
      if (!rest_.empty()) discarded_cr_ = rest_.back() == '\r';
      is_discarding_ = true;
      rest_ = absl::string_view();
    }
    scanned_bytes_ = rest_.size();
    return Result::kNeedMore;
  }
  *line = rest_.substr(0, lf);
  rest_.remove_prefix(lf + 1);
  scanned_bytes_ = 0;
  const bool has_cr = line->empty() ? is_discarding_ && discarded_cr_ : line->back() == '\r';
  const bool is_too_long = is_discarding_ || lf + 1 > line_bytes_max_;
  is_discarding_ = false;
  discarded_cr_ = false;
  if (!has_cr) return Result::kBareNewline;
  if (is_too_long) return Result::kTooLong;
  line->remove_suffix(1);
  if (line->find('\r') != absl::string_view::npos) return Result::kBareNewline;
  if (line->find('\0') != absl::string_view::npos) return Result::kNul;
  return Result::kLine;
}

void LineBuffer::Clear() {
  rest_ = absl::string_view();
  scanned_bytes_ = 0;
  is_discarding_ = false;
  discarded_cr_ = false;
  Keep();
}

}  // namespace turnpike::smtp
