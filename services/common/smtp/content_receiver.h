// A message's content on its way in, by DATA or by BDAT, with everything that can be said against
// it without reading it as mail.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_CONTENT_RECEIVER_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_CONTENT_RECEIVER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/smtp/data_decoder.h"
#include "services/common/smtp/header_scan.h"
#include "services/common/smtp/line_discipline.h"
#include "services/common/smtp/reply.h"

namespace turnpike::smtp {

// Thread safety: thread-compatible. Made anew for each message.
class ContentReceiver {
 public:
  struct Limits {
    uint64_t content_bytes_max = UINT64_MAX;
    size_t line_bytes_max = 2048;  // not for BINARYMIME
    uint64_t header_bytes_max = 1 << 20;
    uint32_t received_count_max = 50;  // more is a loop (PL-4)
  };
  enum class Mode {
    kData,
    kChunks,        // BDAT of text: lines must end in CRLF all the same
    kBinaryChunks,  // BDAT with BODY=BINARYMIME: any octets
  };

  ContentReceiver(Mode mode, const Limits& limits);

  // The next chunk has `size_bytes`. Not for kData.
  void StartChunk(uint64_t size_bytes);

  // Consumes from `*input` up to the end of data or of the chunk; content is appended to `*sink`,
  // unless it is refused. Returns true when that end was reached.
  bool Receive(absl::string_view* input, std::string* sink);

  // The last chunk has ended. Not for kData, whose decoder knows.
  void FinishChunks();

  // Refuses the message from outside; the first refusal stays.
  void Refuse(Reply reply);

  // Why the message is not taken, if so. Known as early as can be; input is swallowed to its end.
  const std::optional<Reply>& refusal() const { return refusal_; }

  // True if it is refused for a bare CR or LF: somebody tries to smuggle, or cannot speak SMTP.
  bool has_bare_newline() const { return has_bare_newline_; }

  Mode mode() const { return mode_; }
  uint64_t content_bytes() const { return content_bytes_; }
  const HeaderFacts& facts() const { return scan_.facts(); }

 private:
  bool ReceiveData(absl::string_view* input, std::string* sink);
  bool ReceiveChunk(absl::string_view* input, std::string* sink);
  void RefuseLines(LineDiscipline::Violation violation);
  void CheckFacts();

  const Mode mode_;
  const Limits limits_;
  DataDecoder decoder_;
  LineDiscipline discipline_;
  HeaderScan scan_;
  uint64_t content_bytes_ = 0;
  uint64_t chunk_bytes_left_ = 0;
  std::optional<Reply> refusal_;
  bool has_bare_newline_ = false;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_CONTENT_RECEIVER_H_
