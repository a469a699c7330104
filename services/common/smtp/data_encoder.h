// From a message's content to the octets that follow DATA.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_DATA_ENCODER_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_DATA_ENCODER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/smtp/line_discipline.h"

namespace turnpike::smtp {

// Stuffs dots and makes sure that the wire never holds a CR or LF alone, nor NUL: content with one
// is refused, not repaired. [RFC5321 4.5.2]
//
// Thread safety: thread-compatible. Cost: as DataDecoder.
class DataEncoder {
 public:
  DataEncoder() : discipline_(SIZE_MAX) {}

  // Appends the encoded form of the content's next octets; pieces may be cut anywhere. Returns
  // false if the content cannot be sent by DATA. Nothing of this piece is appended then, and the
  // connection must be ended without an end of data.
  bool Encode(absl::string_view piece, std::string* out);

  // Appends the end of data, after a CRLF if the content does not end in one. False as above.
  bool Finish(std::string* out);

 private:
  LineDiscipline discipline_;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_DATA_ENCODER_H_
