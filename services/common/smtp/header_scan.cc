#include "services/common/smtp/header_scan.h"

#include "absl/strings/ascii.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::smtp {
namespace {

constexpr absl::string_view kReceived = "received:";
constexpr int kNoMatch = -1;

}  // namespace

void HeaderScan::Feed(absl::string_view bytes) {
  if (!facts_.header_is_complete) {
    absl::string_view rest = bytes;
    FeedHeader(&rest);
    const absl::string_view header = bytes.substr(0, bytes.size() - rest.size());
    facts_.header_bytes += header.size();
    if (!facts_.header_has_8bit) facts_.header_has_8bit = !IsAscii(header);
    bytes = rest;
  }
  if (!facts_.body_has_8bit) facts_.body_has_8bit = !IsAscii(bytes);
}

// Removes what belongs to the header from `*bytes`.
void HeaderScan::FeedHeader(absl::string_view* bytes) {
  while (!bytes->empty() && !facts_.header_is_complete) {
    const size_t lf = bytes->find('\n');
    const bool has_lf = lf != absl::string_view::npos;
    const absl::string_view text = bytes->substr(0, lf);
    NoteLineStart(text);
    if (!text.empty()) line_is_cr_ = line_bytes_ == 0 && text == "\r";
    line_bytes_ += text.size();
    bytes->remove_prefix(has_lf ? lf + 1 : text.size());
    if (!has_lf) return;
    facts_.header_is_complete = line_bytes_ == 0 || line_is_cr_;
    line_bytes_ = 0;
    line_is_cr_ = false;
    received_match_ = 0;
  }
}

void HeaderScan::NoteLineStart(absl::string_view piece) {
  for (char c : piece) {
    if (received_match_ == kNoMatch) return;
    if (absl::ascii_tolower(c) != kReceived[received_match_]) {
      received_match_ = kNoMatch;
    } else if (++received_match_ == static_cast<int>(kReceived.size())) {
      ++facts_.received_count;
      received_match_ = kNoMatch;
    }
  }
}

}  // namespace turnpike::smtp
