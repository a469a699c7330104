#include "services/spool-store/rpc/move_call.h"

#include <chrono>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "services/common/rpc/status.h"

namespace turnpike::spool {
namespace {

using Stream = grpc::ClientReaderWriter<v1::MoveInRequest, v1::MoveInResponse>;

constexpr size_t kRequestBytesMax = 1 << 20;
constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr absl::Duration kTimeoutPerMiB = absl::Seconds(4);

// The request that is being filled.
class Writer {
 public:
  Writer(Stream& stream, const std::string& source_id) : stream_(stream), source_id_(source_id) {
    request_.set_source_id(source_id_);
  }

  v1::MoveInRequest& request() { return request_; }
  v1::MoveInItem& Add(size_t bytes) {
    bytes_ += bytes;
    return *request_.add_items();
  }
  // Writes when there is enough. False: the call is over.
  bool WriteSome() { return bytes_ < kRequestBytesMax || Write(); }
  bool Write() {
    const bool written = stream_.Write(request_);
    request_.Clear();
    request_.set_source_id(source_id_);
    bytes_ = 0;
    return written;
  }

 private:
  Stream& stream_;
  const std::string& source_id_;
  v1::MoveInRequest request_;
  size_t bytes_ = 0;
};

// The target knows by the number whether it has it, and otherwise takes it for invalid.
v1::MovedDelivery MakeDamaged(const Outgoing& move) {
  v1::MovedDelivery moved;
  moved.set_number(move.number);
  moved.set_message_id(move.record->message_id());
  return moved;
}

// False: no more can be sent.
bool WriteMove(Writer& writer, MoveOut& out, const Outgoing& move) {
  absl::StatusOr<v1::MovedDelivery> moved = out.Describe(move);
  if (absl::IsUnavailable(moved.status())) return false;
  if (!moved.ok()) {
    moved = MakeDamaged(move);
  } else if (move.record->content_chunks() > 0) {
    bool is_over = false;
    int64_t bytes_read = 0;
    const absl::Status read = out.ReadPieces(move, [&](int64_t offset, std::string piece) {
      bytes_read += static_cast<int64_t>(piece.size());
      v1::ContentChunk& chunk = *writer.Add(piece.size()).mutable_chunk();
      chunk.set_message_id(move.record->message_id());
      chunk.set_offset(offset);
      chunk.set_data(std::move(piece));
      is_over = !writer.WriteSome();
      return !is_over;
    });
    if (is_over || absl::IsUnavailable(read)) return false;
    if (!read.ok() || bytes_read != moved->content_bytes()) moved = MakeDamaged(move);
  }
  const size_t bytes = moved->ByteSizeLong();
  *writer.Add(bytes).mutable_delivery() = *std::move(moved);
  return writer.WriteSome();
}

}  // namespace

CallCanceller::Entry::Entry(CallCanceller& canceller, grpc::ClientContext& context)
    : canceller_(canceller), context_(context) {
  absl::MutexLock lock(&canceller_.mu_);
  canceller_.contexts_.insert(&context_);
  if (canceller_.is_cancelled_) context_.TryCancel();
}

CallCanceller::Entry::~Entry() {
  absl::MutexLock lock(&canceller_.mu_);
  canceller_.contexts_.erase(&context_);
}

void CallCanceller::CancelAll() {
  absl::MutexLock lock(&mu_);
  is_cancelled_ = true;
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
}

MoveAnswers SendMoves(v1::ShardService::Stub& stub, CallCanceller& canceller, MoveOut& out,
                      const std::vector<Outgoing>& moves, const std::string& source_id,
                      uint64_t forget_below) {
  int64_t bytes = 0;
  for (const Outgoing& move : moves) bytes += move.record->content_bytes();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kTimeout + (bytes >> 20) * kTimeoutPerMiB));
  const CallCanceller::Entry entry(canceller, context);
  const std::unique_ptr<Stream> stream = stub.MoveIn(&context);
  Writer writer(*stream, source_id);
  writer.request().set_forget_below(forget_below);
  bool goes_on = true;
  for (size_t i = 0; i < moves.size() && goes_on; ++i) goes_on = WriteMove(writer, out, moves[i]);
  if (goes_on) writer.Write();
  stream->WritesDone();

  MoveAnswers answers;
  v1::MoveInResponse response;
  while (stream->Read(&response)) {
    for (v1::MoveResult& result : *response.mutable_results()) {
      const uint64_t number = result.number();
      answers.results[number] = std::move(result);
    }
    if (response.forgotten_below() > answers.forgotten_below) {
      answers.forgotten_below = response.forgotten_below();
    }
  }
  answers.status = rpc::FromGrpc(stream->Finish());
  return answers;
}

}  // namespace turnpike::spool
