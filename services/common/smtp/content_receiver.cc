#include "services/common/smtp/content_receiver.h"

#include <algorithm>
#include <utility>

#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

const ReplyCode* RefusalOf(LineDiscipline::Violation violation) {
  switch (violation) {
    case LineDiscipline::Violation::kNone:
      return nullptr;
    case LineDiscipline::Violation::kBareNewline:
      return &kContentBareNewline;
    case LineDiscipline::Violation::kNul:
      return &kContentNul;
    case LineDiscipline::Violation::kLineTooLong:
      return &kContentLineTooLong;
  }
  return nullptr;
}

}  // namespace

ContentReceiver::ContentReceiver(Mode mode, const Limits& limits)
    : mode_(mode),
      limits_(limits),
      decoder_(
          {.content_bytes_max = limits.content_bytes_max, .line_bytes_max = limits.line_bytes_max}),
      discipline_(limits.line_bytes_max) {}

void ContentReceiver::StartChunk(uint64_t size_bytes) {
  chunk_bytes_left_ = size_bytes;
  if (size_bytes > limits_.content_bytes_max - content_bytes_) Refuse(kMessageTooBig);
}

bool ContentReceiver::Receive(absl::string_view* input, std::string* sink) {
  const size_t sink_bytes_before = sink->size();
  const bool is_end = mode_ == Mode::kData ? ReceiveData(input, sink) : ReceiveChunk(input, sink);
  if (!refusal_) {
    const absl::string_view fresh = absl::string_view(*sink).substr(sink_bytes_before);
    content_bytes_ += fresh.size();
    scan_.Feed(fresh);
    CheckFacts();
  }
  return is_end;
}

bool ContentReceiver::ReceiveData(absl::string_view* input, std::string* sink) {
  if (refusal_) decoder_.Discard();
  const bool is_end = decoder_.Decode(input, sink);
  RefuseLines(decoder_.violation());
  if (decoder_.is_too_big()) Refuse(kMessageTooBig);
  return is_end;
}

bool ContentReceiver::ReceiveChunk(absl::string_view* input, std::string* sink) {
  const absl::string_view bytes =
      input->substr(0, std::min<uint64_t>(input->size(), chunk_bytes_left_));
  input->remove_prefix(bytes.size());
  chunk_bytes_left_ -= bytes.size();
  if (!refusal_) {
    sink->append(bytes.data(), bytes.size());
    if (mode_ == Mode::kChunks) RefuseLines(discipline_.Feed(bytes));
  }
  return chunk_bytes_left_ == 0;
}

void ContentReceiver::FinishChunks() {
  if (mode_ == Mode::kChunks) RefuseLines(discipline_.Finish());
}

void ContentReceiver::Refuse(Reply reply) {
  if (!refusal_) refusal_ = std::move(reply);
}

void ContentReceiver::RefuseLines(LineDiscipline::Violation violation) {
  const ReplyCode* refusal = RefusalOf(violation);
  if (refusal == nullptr || refusal_) return;
  has_bare_newline_ = violation == LineDiscipline::Violation::kBareNewline;
  Refuse(*refusal);
}

void ContentReceiver::CheckFacts() {
  if (facts().received_count > limits_.received_count_max) Refuse(kMailLoop);
  if (facts().header_bytes > limits_.header_bytes_max) Refuse(kHeaderTooBig);
}

}  // namespace turnpike::smtp
