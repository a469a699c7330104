// The few facts about a message that the SMTP layer must know while it streams by.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_HEADER_SCAN_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_HEADER_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::smtp {

struct HeaderFacts {
  // Octets up to and including the empty line that ends the header: where the body begins.
  uint64_t header_bytes = 0;
  bool header_is_complete = false;  // the empty line has come
  uint32_t received_count = 0;      // `Received:` fields, how often it was relayed
  bool header_has_8bit = false;     // needs SMTPUTF8 onwards [RFC6532]
  bool body_has_8bit = false;       // needs 8BITMIME onwards [RFC6152]

  friend bool operator==(const HeaderFacts&, const HeaderFacts&) = default;
};

// Thread safety: thread-compatible. Cost: one memchr a header line, one pass over the body.
class HeaderScan {
 public:
  // Takes the content's next octets; they may be cut anywhere.
  void Feed(absl::string_view bytes);

  const HeaderFacts& facts() const { return facts_; }

 private:
  void FeedHeader(absl::string_view* bytes);
  void NoteLineStart(absl::string_view piece);

  HeaderFacts facts_;
  // Of the current header line: how many octets came so far, and how many of them match
  // `Received:` (-1: it does not).
  size_t line_bytes_ = 0;
  int received_match_ = 0;
  bool line_is_cr_ = false;  // the line consists of a CR so far
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_HEADER_SCAN_H_
